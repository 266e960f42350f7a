import { expect } from 'chai';
import fc from 'fast-check';
import { expand, membersBelow } from '../src/back-channel/expansion.ts';
import { MemberTree } from '../src/membership/member-tree.ts';
import { CUSTOMER, component, MLM, P1, P2, P3 } from './test-mlm.ts';

const M2 = `${CUSTOMER}.m2`;
const M3 = `${CUSTOMER}.m3`;

/** P1 here; M2 with P2, and below it M3 with P3. */
const tree = (revoked: readonly string[] = [], groups: Record<string, string[]> = {}) =>
  new MemberTree(MLM, {
    version: 1,
    components: [
      component(P1),
      component(M2),
      component(P2, { parent: M2 }),
      component(M3, { parent: M2 }),
      component(P3, { parent: M3 }),
    ].map((one) => (revoked.includes(one.id) ? { ...one, state: 'revoked' as const } : one)),
    groups,
  });
const list = (...ids: string[]) => ({ kind: 'list', ids }) as const;

describe('expansion', () => {
  it('names each next hop once, however deep and however many the members', () => {
    expect(expand(list(P1, P2, P3), tree(), MLM)).to.deep.equal({ here: false, children: [P1, M2] });
    expect(expand({ kind: 'group', name: 'all' }, tree([], { all: [P2, P3] }), MLM)).to.deep.equal({
      here: false,
      children: [M2],
    });
  });

  it('finds what lies below a proxy by its ID', () => {
    expect(expand({ kind: 'component', id: `${P3}.s12` }, tree(), MLM)?.children).to.deep.equal([M2]);
    expect(expand({ kind: 'component', id: `${P3}2.s1` }, tree(), MLM)).to.equal(undefined);
  });

  it('a revoked member, and what lies below a revoked MLM that is a child here, is reached by nothing', () => {
    expect(expand(list(P3), tree([P3]), MLM)).to.equal(undefined);
    expect(expand(list(P2, P3), tree([M2]), MLM)).to.equal(undefined);
    expect(expand(list(P1, P3), tree([P3]), MLM)?.children).to.deep.equal([P1]);
  });

  describe('a member with two parents', () => {
    /** P1 here and below M2; P2 below M2 and M3, which both hang here. */
    const redundant = new MemberTree(MLM, {
      version: 1,
      components: [
        component(P1, { alternates: [M2] }),
        component(M2),
        component(M3),
        component(P2, { parent: M2, alternates: [M3] }),
        component(P3, { parent: M3, alternates: [MLM] }),
      ],
      groups: {},
    });

    it('gets a copy by each way', () => {
      expect(expand(list(P1), redundant, MLM)?.children).to.deep.equal([P1, M2]);
      expect(expand(list(P2), redundant, MLM)?.children).to.deep.equal([M2, M3]);
    });

    it('may send by each of them, and is a child here when any of them is this MLM', () => {
      for (const child of [M2, M3]) expect(redundant.isAtOrBelow(P2, child)).to.equal(true);
      expect(redundant.isAtOrBelow(P2, P1)).to.equal(false);
      expect(redundant.children.map(({ id }) => id)).to.have.members([P1, M2, M3, P3]);
    });

    it('is spoken for only by all ways together: one that is lost is no loss', () => {
      expect(membersBelow([M2], list(P2, P3), redundant)).to.deep.equal([]);
      expect(membersBelow([M2, M3], list(P2, P3), redundant)).to.deep.equal([P2]);
    });

    it('a circle in a document ends', () => {
      const circle = [component(M2, { parent: M3 }), component(M3, { parent: M2 })];
      expect(expand(list(M2), new MemberTree(MLM, { version: 1, components: circle, groups: {} }), MLM)).to.equal(
        undefined,
      );
    });
  });

  it('the MLM itself is a member like any other', () => {
    expect(expand(list(MLM, P1), tree(), MLM)).to.deep.equal({ here: true, children: [P1] });
  });

  it('nothing, an empty list, an unknown group or name matches nobody', () => {
    const none = [
      undefined,
      list(),
      { kind: 'group', name: 'x' } as const,
      { kind: 'component', id: 'provider.a1' } as const,
    ];
    for (const destination of none) expect(expand(destination, tree([], { constructor: [] }), MLM)).to.equal(undefined);
    expect(expand({ kind: 'group', name: 'toString' }, tree(), MLM)).to.equal(undefined);
  });

  it('a circle of parents in a document reaches nobody and ends', () => {
    const round = new MemberTree(MLM, {
      version: 1,
      components: [component(M2, { parent: M3 }), component(M3, { parent: M2 })],
      groups: {},
    });
    expect(expand(list(M2, M3), round, MLM)).to.equal(undefined);
  });

  it('property: a child is named exactly when an active member lies at or below it', () => {
    const everyone = [P1, P2, P3, M2, M3];
    const below: Record<string, string[]> = { [P1]: [P1], [M2]: [M2, P2, M3, P3] };
    fc.assert(
      fc.property(fc.subarray(everyone), fc.subarray(everyone), (members, revoked) => {
        const children = expand(list(...members), tree(revoked), MLM)?.children ?? [];
        const wanted = [P1, M2].filter(
          (child) =>
            !revoked.includes(child) && below[child]?.some((id) => members.includes(id) && !revoked.includes(id)),
        );
        expect([...children]).to.have.members(wanted);
        expect(children).to.have.length(wanted.length);
      }),
    );
  });
});
