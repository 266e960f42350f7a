// `npm run build`: compiles, then lays out `release/backhaul`, a package that runs from `dist` without the sources.
// Our own packages go in as bundled dependencies; outside libraries stay ordinary dependencies.
//   npm run build && npm pack ./release/backhaul
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PARTS, ROOT as root } from './compile.mjs';

const release = join(root, 'release', 'backhaul');

rmSync(release, { recursive: true, force: true });
mkdirSync(release, { recursive: true });
const parts = PARTS.map((folder) => ({ folder, manifest: readJson(join(root, folder, 'package.json')) }));
for (const part of parts) layOutPart(part);
layOutRoot();
console.log(`release/backhaul is ready; npm pack ./release/backhaul makes the tarball`);

/** `dist` and whatever else a part ships (DTDs, styles), with a manifest that names no outside library: those are hoisted. */
function layOutPart({ folder, manifest }) {
  const target = join(release, 'node_modules', manifest.name);
  mkdirSync(target, { recursive: true });
  for (const shipped of manifest.files) {
    const from = join(root, folder, shipped);
    if (existsSync(from))
      cpSync(from, join(target, shipped), { recursive: true, filter: (path) => !path.endsWith('.tsbuildinfo') });
  }
  const { name, version, license, type } = manifest;
  writeJson(join(target, 'package.json'), { name, version, license, type, exports: published(manifest.exports) });
}

/** Without the condition that leads to the sources, which are not shipped. */
function published(exports) {
  return Object.fromEntries(
    Object.entries(exports).map(([path, { 'backhaul-source': _sources, ...rest }]) => [path, rest]),
  );
}

function layOutRoot() {
  const { name, version, description, license, type, bin, engines, optionalDependencies } = readJson(
    join(root, 'package.json'),
  );
  const own = parts.map(({ manifest }) => [manifest.name, manifest.version]);
  const outside = parts
    .flatMap(({ manifest }) => Object.entries(manifest.dependencies))
    .filter(([library]) => !library.startsWith('@backhaul/'));
  writeJson(join(release, 'package.json'), {
    name,
    version,
    description,
    license,
    type,
    bin,
    engines,
    dependencies: Object.fromEntries([...own, ...outside].sort()),
    optionalDependencies,
    bundleDependencies: own.map(([part]) => part),
  });
  for (const file of [
    'bin',
    'scripts/pinned-node.mjs',
    ...globSync(['LICENSE', 'README.md', 'CHANGELOG.md', 'docs', 'deploy'], { cwd: root }),
  ]) {
    cpSync(join(root, file), join(release, file), { recursive: true });
  }
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}

function writeJson(path, value) {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}
