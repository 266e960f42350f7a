import { ALARM_STATES, SEVERITIES } from '../message.ts';
import { freeText, oneOf } from '../xml/fields.ts';

export const severity = oneOf(SEVERITIES);
export const alarmState = oneOf(ALARM_STATES);
export const responseStatus = oneOf(['accepted', 'done', 'refused', 'failed', 'expired']);
export const bulkStatus = oneOf(['granted', 'refused']);
export const encoding = oneOf(['none', 'base64']);
/** names a condition or an event: `filesystem:/var`; any text of the platform */
export const eventName = freeText(256);
/** part of an instance: `disk0`, `/var`, `ssh.service`; any text of the platform */
export const location = freeText(256);
