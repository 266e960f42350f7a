import { customer } from '../api-shapes.ts';
import { renderTable } from '../table.ts';
import type { Verb } from '../verb.ts';

export const customersList: Verb = {
  path: 'customers list',
  summary: 'the customers registered here',
  groupDefault: true,
  connects: true,
  examples: ['backhaul customers', 'backhaul customers list --json'],
  run: async ({ api, width }) => {
    const items = await (await api()).list('/customers', customer);
    const text = renderTable(
      items,
      [
        { title: 'ID', value: (row) => row.id },
        { title: 'NAME', value: (row) => row.name, flexible: true },
      ],
      width,
    );
    return { json: { items }, text };
  },
};

export const customersAdd: Verb = {
  path: 'customers add',
  summary: 'register a customer; every other ID below it derives from the ID made here',
  arguments: [['<name>', 'name of the customer, for people']],
  connects: true,
  examples: ['backhaul customers add "Example Ltd"'],
  run: async ({ api, args }) => {
    const made = await (await api()).post('/customers', customer, { name: args[0] });
    return {
      json: made,
      text: `Customer ${made.id} (${made.name}) is registered. Next: backhaul sites add ${made.id} <site>`,
    };
  },
};
