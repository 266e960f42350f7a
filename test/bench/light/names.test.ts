import { membership } from '@backhaul/envelope';
import { parseComponentId } from '@backhaul/identity';
import { expect } from 'chai';
import { localAddressOf, membershipBelow, mlmId, proxyId } from './names.ts';

describe('The network that is measured', () => {
  it('is one that an MLM takes: IDs are component IDs, and the documents have their shape', () => {
    expect(parseComponentId(mlmId(2))).to.deep.include({ kind: 'mlm', n: 3 });
    expect(parseComponentId(proxyId(4_999))).to.deep.include({ kind: 'proxy', n: 5_000 });
    expect(membership.safeParse(membershipBelow(0, 3, 5)).success).to.equal(true);
  });

  it('hangs every proxy below the last MLM of the row, and each MLM below the one before', () => {
    const { components } = membershipBelow(0, 3, 2);
    expect(components.map(({ id, parent }) => [id, parent])).to.deep.equal([
      [mlmId(1), mlmId(0)],
      [mlmId(2), mlmId(1)],
      [proxyId(0), mlmId(2)],
      [proxyId(1), mlmId(2)],
    ]);
    expect(membershipBelow(2, 3, 2).components.map(({ id }) => id)).to.deep.equal([proxyId(0), proxyId(1)]);
  });

  it('has no address with more connections than a parent takes', () => {
    const members = Array.from({ length: 5_000 }, (_, at) => localAddressOf(at));
    const counts = Object.values(Object.groupBy(members, (address) => address)).map((list) => list!.length);
    expect(Math.max(...counts) * 2).to.be.at.most(1_024);
  });
});
