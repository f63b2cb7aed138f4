/** All alert rules. */
import { NODE_RULES } from './node-rules.ts';
import type { AlertRule } from './rule.ts';
import { SERVICE_RULES } from './service-rules.ts';

export const ALERT_RULES: readonly AlertRule[] = [...NODE_RULES, ...SERVICE_RULES];
