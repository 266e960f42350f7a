/** Kinds of parties that hold a certificate. */
export const KINDS = ['proxy', 'mlm', 'appserver', 'certs', 'staff'] as const;
export type Kind = (typeof KINDS)[number];

/** `spiffe://<trust domain>/<customer>/<kind>/<id>`; nothing else in a certificate is read as identity [DESIGN §7]. */
export interface Identity {
  readonly trustDomain: string;
  /** customer ID, or `provider` for the provider's own components */
  readonly customer: string;
  readonly kind: Kind;
  /** component ID, derived from the customer ID: `<customer>.m1`, `<customer>.p2`; below a proxy: `<proxy>.i1`, `<proxy>.s7` */
  readonly id: string;
}
