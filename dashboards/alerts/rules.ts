/** All alert rules. */
import { BALANCING_RULES } from './balancing-rules.ts';
import { NODE_RULES } from './node-rules.ts';
import type { AlertRule } from './rule.ts';
import { SERVICE_RULES } from './service-rules.ts';
import { VIEWER_RULES } from './viewer-rules.ts';

export const ALERT_RULES: readonly AlertRule[] = [...NODE_RULES, ...SERVICE_RULES, ...VIEWER_RULES, ...BALANCING_RULES];
