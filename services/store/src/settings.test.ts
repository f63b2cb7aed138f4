/** Which settings a request may bring, and what is said of the others. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { limitReader, readSettings } from './settings.ts';
import type { Role } from './users.ts';

const read = (role: Role, url: string) =>
  readSettings(role, new URLSearchParams(url), (name) => name === 'format_schema' || name === 'allow_ddl');

describe('settings of a request', () => {
  it('are told apart from parameters and from the interface', () => {
    const found = read(
      'writer',
      'query=x&database=d&param_a=1&async_insert=0&insert_deduplication_token=t&date_time_input_format=best_effort&wait_end_of_query=1&log_comment=mine',
    );
    assert.deepEqual(
      [...found.settings],
      [
        ['async_insert', '0'],
        ['insert_deduplication_token', 't'],
        ['date_time_input_format', 'best_effort'],
      ],
    );
    assert.deepEqual([...found.parameters], [['a', '1']]);
  });

  it('are refused when the engine has none such, or not for this user', () => {
    assert.throws(() => read('writer', 'nowhere=1'), { clickhouseCode: 115 });
    assert.throws(() => read('writer', 'format_schema=a'), { clickhouseCode: 452 });
    assert.throws(() => read('reader', 'allow_ddl=1'), { clickhouseCode: 452 });
    assert.throws(() => read('reader', 'session_id=a'), { clickhouseCode: 48 });
    assert.throws(() => read('reader', 'readonly=0'), { clickhouseCode: 164 });
    assert.throws(() => read('writer', 'readonly=3'), { clickhouseCode: 36 });
    assert.equal(read('writer', 'session_id=&compress=0').settings.size, 0);
  });

  it('of the reader stay within the limits', () => {
    const limits = { maxExecutionSeconds: 30, maxResultRows: 1_000, maxMemoryBytes: 5_000 };
    const limited = limitReader(
      new Map([
        ['max_execution_time', '90'],
        ['max_result_rows', '10'],
        ['max_memory_usage', '-1'],
        ['timeout_overflow_mode', 'break'],
      ]),
      limits,
    );
    assert.deepEqual(Object.fromEntries(limited), {
      max_execution_time: '30',
      max_result_rows: '10',
      max_memory_usage: '5000',
      timeout_overflow_mode: 'throw',
      result_overflow_mode: 'throw',
    });
    assert.equal(limitReader(new Map([['max_execution_time', '0.5']]), limits).get('max_execution_time'), '0.5');
  });
});
