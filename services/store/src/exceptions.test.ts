/** Errors in the form ClickHouse gives them: status, code, text. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { exceptionText, fromEngine, refuse } from './exceptions.ts';

describe('an exception of the engine', () => {
  it('keeps its code and name and says everything once', () => {
    const nested =
      'Query failed: Code: 164. DB::Exception: Code: 164. DB::Exception: Cannot modify it. (READONLY) (version 26.7.2.1). (READONLY)';
    const exception = fromEngine(new Error(nested));
    assert.deepEqual(
      [exception.clickhouseCode, exception.clickhouseName, exception.message],
      [164, 'READONLY', 'Cannot modify it'],
    );
    assert.equal(
      exceptionText(exception, '26.7.2.1'),
      'Code: 164. DB::Exception: Cannot modify it. (READONLY) (version 26.7.2.1)\n',
    );
  });

  it('does not tell what the store put into the statement', () => {
    const exception = fromEngine(
      new Error("Code: 1. DB::Exception: near SELECT 1 INTO OUTFILE 'p' here. (A_NAME)"),
      "INTO OUTFILE 'p'",
    );
    assert.equal(exception.message, 'near SELECT 1  here');
  });

  it('passes the store’s own through and takes anything else for unknown', () => {
    const own = refuse('READONLY', 'no');
    assert.equal(fromEngine(own), own);
    assert.deepEqual([fromEngine('odd').clickhouseCode, fromEngine('odd').clickhouseName], [1002, 'UNKNOWN_EXCEPTION']);
  });
});
