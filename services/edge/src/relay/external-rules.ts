/**
 * Which streams go between this node and servers that are no members, and where: the entries of `relay.external` and
 * `relay.push`. Before it: the configuration; after it: externals.ts.
 */
import { ConfigError } from '@weir/contracts/errors';
import { parseRtmpUrl, type RtmpUrl } from '../rtmp/names.ts';

/** One entry. */
export interface ExternalRule {
  app: string;
  /** `*` = every stream of the app; app and name `*` = every stream. */
  name: string;
  /** With `{app}` and `{name}` to be filled in. */
  templates: readonly string[];
}

const WHOLE = '*';
const LIKE = 'app/name=rtmp://…, app/*=rtmps://host/app/{name} or *=…';

/** Parses entries of the configuration key `key`. @throws ConfigError `EDGE_EXTERNAL`. */
export function parseExternalRules(entries: readonly string[], key: string): ExternalRule[] {
  return entries.map((entry, index) => {
    const at = entry.indexOf('=');
    const [app = '', ...rest] = entry.slice(0, Math.max(0, at)).trim().split('/');
    const name = app === WHOLE ? WHOLE : rest.join('/');
    const templates = entry
      .slice(at + 1)
      .split(/\s+/)
      .filter((url) => url !== '');
    const rule = { app, name, templates };
    // The entry itself may hold a key: it is not repeated.
    const wrong = (what: string) =>
      new ConfigError('EDGE_EXTERNAL', `Entry ${index + 1} of ${key} ${what}; write ${LIKE}`);
    if (at < 1 || app === '' || name === '') throw wrong('names no stream');
    if (templates.length === 0) throw wrong('has no URL');
    if (!templates.every((template) => parseRtmpUrl(fill(template, 'app', 'name'))))
      throw wrong('has a URL that is not RTMP');
    if (name === WHOLE && !templates.every((template) => template.includes('{name}'))) {
      throw wrong('leads every stream to the same URL: it lacks {name}');
    }
    return rule;
  });
}

/** Where `app/name` goes by one rule; empty when the rule is about others. */
export function targetsOf({ app, name, templates }: ExternalRule, stream: { app: string; name: string }): RtmpUrl[] {
  const matches = (app === WHOLE || app === stream.app) && (name === WHOLE || name === stream.name);
  return matches ? templates.flatMap((template) => parseRtmpUrl(fill(template, stream.app, stream.name)) ?? []) : [];
}

/** A target as people may see it: its name is often a key. */
export function shownUrl({ secure, host, port, app }: RtmpUrl): string {
  return `rtmp${secure ? 's' : ''}://${host.includes(':') ? `[${host}]` : host}:${port}/${app}/…`;
}

function fill(template: string, app: string, name: string): string {
  const escaped = (text: string) => text.split('/').map(encodeURIComponent).join('/');
  return template.replaceAll('{app}', escaped(app)).replaceAll('{name}', escaped(name));
}
