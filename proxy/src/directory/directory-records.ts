import { z } from 'zod';

/** The form of names that become part of a header or a key. */
export const NAME_PATTERN = /^[a-z0-9][a-z0-9._-]{0,63}$/;

const name = () => z.string().regex(NAME_PATTERN, `must match ${NAME_PATTERN.source}`);
const text = (max: number) => z.string().min(1).max(max);

/** `POST /v1/integrators` */
export const integratorRequest = z.strictObject({ name: name(), platform: name(), version: text(64) });

/** `POST /v1/instances` */
export const instanceRequest = z.strictObject({
  integrator: name(),
  platform: name(),
  /** the ID the management platform knows it by: address, serial number, host name */
  managementId: text(128),
  name: text(128),
  type: name(),
  labels: z
    .record(name(), text(128))
    .refine((labels) => Object.keys(labels).length <= 32, 'at most 32 labels')
    .optional(),
});

export type IntegratorRequest = z.output<typeof integratorRequest>;
export type InstanceRequest = z.output<typeof instanceRequest>;

export interface IntegratorRecord extends IntegratorRequest {
  /** `<proxy>.i<n>` */
  readonly id: string;
  /** ms since 1970 */
  readonly registeredAt: number;
}

export interface InstanceRecord extends Omit<InstanceRequest, 'labels'> {
  /** `<proxy>.s<n>` */
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  /** ms since 1970 */
  readonly registeredAt: number;
}
