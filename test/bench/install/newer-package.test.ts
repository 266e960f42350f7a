import { expect } from 'chai';
import { readSources } from './newer-package.ts';

const TARGETS = `Origin: Debian
Release: bookworm
Signed-By: /usr/share/keyrings/debian.gpg
Site: http://mirror.example/debian

Origin: Somebody
Release: bookworm
Site: http://elsewhere.example/packages

Origin: Debian
Release: bookworm-updates
Site: http://mirror.example/debian
`;

describe('Sources of packages', () => {
  it('are those of Debian, with the key that they are configured with', () => {
    const uri = 'http://mirror.example/debian';
    expect(readSources(TARGETS)).to.deep.equal([
      { uri, suite: 'bookworm', signedBy: '/usr/share/keyrings/debian.gpg' },
      { uri, suite: 'bookworm-updates', signedBy: undefined },
    ]);
    expect(readSources('')).to.deep.equal([]);
  });
});
