import { group } from '../api-shapes.ts';
import { renderTable } from '../table.ts';
import { printable } from '../terminal-text.ts';
import { usage, type Verb } from '../verb.ts';

export const groupsList: Verb = {
  path: 'groups list',
  summary: 'the groups and their members; every site is one',
  groupDefault: true,
  connects: true,
  examples: ['backhaul groups'],
  run: async ({ api, width }) => {
    const items = await (await api()).list('/groups', group);
    const text = renderTable(
      items,
      [
        { title: 'GROUP', value: (row) => row.name },
        { title: 'MEMBERS', value: (row) => row.members.length, align: 'right' },
        { title: 'WHO', value: (row) => row.members.join(' '), flexible: true },
      ],
      width,
    );
    return { json: { items }, text };
  },
};

export const groupsSet: Verb = {
  path: 'groups set',
  summary: 'make a static group, or replace its members',
  arguments: [
    ['<name>', 'name of the group'],
    ['<members...>', 'component IDs'],
  ],
  connects: true,
  examples: ['backhaul groups set pilots c7k2m9qx1.p1 c7k2m9qx1.p3'],
  run: async ({ api, args }) => {
    const [name, ...members] = args;
    if (name === undefined || members.length === 0) throw usage('a group needs a name and at least one member');
    const set = await (await api()).put(`/groups/${encodeURIComponent(name)}`, group, { members });
    return { json: set, text: `Group ${printable(set.name)} has ${set.members.length} members.` };
  },
};
