import { BackhaulError } from '@backhaul/runtime';
import { XMLParser } from 'fast-xml-parser';
import { LIMITS } from '../limits.ts';
import { decodeReferences } from './characters.ts';
import { passGate } from './gate.ts';
import { XmlElement } from './xml-element.ts';

/** One node as the parser gives it with `preserveOrder`: its name as the one key, and `:@` for attributes. */
type ParsedNode = Readonly<Record<string, unknown>>;

const TEXT = '#text';
const ATTRIBUTES = ':@';

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  jPath: false,
  maxNestedTags: LIMITS.depth,
  // The five entities of XML and numeric references; the gate refuses all others, so nothing can be expanded [T-A1].
  entityDecoder: {
    decode: decodeReferences,
    reset: () => {},
    setXmlVersion: () => {},
    addInputEntities: () => {},
    setExternalEntities: () => {},
  },
});

/**
 * Bytes of a document to its root element.
 * Throws BH-E-XML-DTD, BH-E-XML-ENCODING, BH-E-XML-FORM, BH-E-CHAR, BH-E-NAME, BH-E-LIMIT-DEPTH, BH-E-LIMIT-ATTRIBUTES, BH-E-LIMIT-NAME.
 */
export function parseXml(bytes: Uint8Array): XmlElement {
  const text = passGate(bytes);
  const holder = new XmlElement('', new Map());
  addNodes(holder, parse(text));
  const [root] = holder.children;
  if (root === undefined || holder.children.length !== 1)
    throw new BackhaulError('BH-E-XML-FORM', { detail: 'one root' });
  return root;
}

function parse(text: string): readonly ParsedNode[] {
  try {
    return parser.parse(text) as readonly ParsedNode[];
  } catch (cause) {
    throw new BackhaulError('BH-E-XML-FORM', { cause });
  }
}

function addNodes(parent: XmlElement, nodes: readonly ParsedNode[]): void {
  for (const node of nodes) {
    const name = Object.keys(node)[0] as string;
    if (name === TEXT) addText(parent, String(node[TEXT]));
    else {
      const element = new XmlElement(name, attributesOf(node));
      addNodes(element, node[name] as readonly ParsedNode[]);
      parent.children.push(element);
    }
  }
}

function addText(parent: XmlElement, text: string): void {
  if (parent.children.length === 0) parent.text += text;
  else parent.tail += text;
}

function attributesOf(node: ParsedNode): Map<string, string> {
  const attributes = node[ATTRIBUTES] as Readonly<Record<string, string>> | undefined;
  return new Map(attributes === undefined ? [] : Object.entries(attributes));
}
