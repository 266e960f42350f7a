import type { ParentConnection, RelayHandler } from '@backhaul/transport';
import type { AppserverCore } from '../../../appserver/src/appserver-core.ts';
import type { MlmCore } from '../../../mlm/src/mlm-core.ts';
import type { Incarnation } from '../incarnation.ts';
import type { AppserverNode } from '../nodes/appserver-node.ts';
import type { MlmNode } from '../nodes/mlm-node.ts';
import type { ProxyParts } from '../nodes/proxy-node.ts';
import type { SimNode } from '../nodes/sim-node.ts';
import type { SimDatabase } from '../sim-database.ts';
import type { SimStore } from '../sim-store.ts';

export interface MlmPartsOf {
  readonly node: MlmNode;
  readonly core: MlmCore;
  readonly store: SimStore;
  readonly life: Incarnation;
}

export interface AppserverPartsOf {
  readonly node: AppserverNode;
  readonly core: AppserverCore;
  readonly database: SimDatabase;
  readonly life: Incarnation;
}

/** Where something may be put between the parts of a node: as they are, or with a planted bug. Production code knows nothing of it. */
export interface Variation {
  readonly name: string;
  store(store: SimStore, node: SimNode): SimStore;
  connection(connection: ParentConnection, node: SimNode): ParentConnection;
  handler(handler: RelayHandler, node: string): RelayHandler;
  proxy(parts: ProxyParts): void;
  mlm(parts: MlmPartsOf): void;
  appserver(parts: AppserverPartsOf): void;
}

/** Everything as it is. */
export const AS_IS: Variation = {
  name: 'as it is',
  store: (store) => store,
  connection: (connection) => connection,
  handler: (handler) => handler,
  proxy: () => {},
  mlm: () => {},
  appserver: () => {},
};
