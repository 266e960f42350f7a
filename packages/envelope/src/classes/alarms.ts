import { BackhaulError } from '@backhaul/runtime';
import type { Content } from '../message.ts';
import { alarmLane, type ClassEntry } from './class-entry.ts';

/** Conditions that open and clear. `unavailable` says, with its reason as text, that the source cannot tell. */
const alarms = {
  classification: 'monitoring',
  lane: 4,
  laneOf: alarmLane,
  contentTypes: ['alarm'],
  from: 'host integrator',
  check: checkReason,
} as const;

function checkReason(content: Content): void {
  if (content.type === 'alarm' && content.state === 'unavailable' && content.text.trim() === '')
    throw new BackhaulError('BH-E-SCHEMA', { detail: 'text: an unavailable alarm says why' });
}

function checkFilesystem(content: Content): void {
  checkReason(content);
  if (content.type === 'alarm' && !/^filesystem:./.test(content.alarmId))
    throw new BackhaulError('BH-E-SCHEMA', { detail: 'alarmId: filesystem:<mountpoint>' });
}

export const ALARM_CLASSES: readonly ClassEntry[] = [
  { class: 'system-alarms', subclass: 'units', ...alarms, about: 'service units that failed' },
  { class: 'system-alarms', subclass: 'journal', ...alarms, about: 'errors in the journal' },
  { class: 'system-alarms', subclass: 'load', ...alarms, about: 'load above its limit' },
  {
    class: 'storage-alarms',
    subclass: 'filesystem',
    ...alarms,
    about: 'a file system above its limit',
    check: checkFilesystem,
  },
];
