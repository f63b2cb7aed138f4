/** What kind of statement a text is, and what a reader may ask. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { analyse } from './statement.ts';
import { tokens } from './tokens.ts';

const latin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
const words = (text: string): string[] => [...tokens(latin1(text))].map((token) => token.text);

describe('tokens', () => {
  it('skip comments and keep what only looks like one', () => {
    assert.deepEqual(words("a -- b\nc /* d; */ e # f\ng '--' h #i"), ['a', 'c', 'e', 'g', '--', 'h', '#', 'i']);
    assert.deepEqual(words('a /* b'), ['a']);
  });

  it('end quotes where ClickHouse ends them', () => {
    assert.deepEqual(words("'a\\'b' 'c''d' `e``f` \"g\\\"h\" 'i\\\\' j"), [
      "a\\'b",
      "c''d",
      'e``f',
      'g\\"h',
      'i\\\\',
      'j',
    ]);
    assert.deepEqual(words('$$a;b$$ $t$ $$ $t$ x'), ['a;b', ' $$ ', 'x']);
    assert.deepEqual(words('‘a;b’ c'), ['a;b', 'c']);
  });

  it('take a long string in one go', () => {
    assert.equal(words(`'${'x'.repeat(5_000_000)}\\`).length, 1);
  });
});

describe('analysing a statement', () => {
  const insertOf = (text: string): { head: string; settings: string; format: string; data: string } => {
    const statement = analyse(text);
    assert.equal(statement.kind, 'insert');
    return {
      head: text.slice(0, statement.inputAt).trim(),
      settings: text.slice(statement.settingsAt, statement.settingsEnd).trim(),
      format: statement.format,
      data: text.slice(statement.dataAt),
    };
  };

  it('finds where the rows of an INSERT begin', () => {
    assert.deepEqual(insertOf('INSERT INTO t FORMAT TSV\n1\t;\n'), {
      head: 'INSERT INTO t',
      settings: '',
      format: 'TSV',
      data: '1\t;\n',
    });
    assert.deepEqual(insertOf('insert into db.`t` (a, b) settings x = 1, y = 2 format CSV \r\n1'), {
      head: 'insert into db.`t` (a, b)',
      settings: 'settings x = 1, y = 2',
      format: 'CSV',
      data: '1',
    });
    assert.equal(insertOf('INSERT INTO t VALUES (1);').data, ' (1);');
    assert.equal(insertOf('INSERT INTO t FORMAT Values (1)').data, ' (1)');
    assert.equal(
      insertOf('INSERT INTO t FORMAT Native\n\n\0').data,
      '\n\0',
      'one line break belongs to the statement, the next to the data',
    );
    assert.equal(insertOf('INSERT INTO FUNCTION remote(a, b) FORMAT TSV\n1').head, 'INSERT INTO FUNCTION remote(a, b)');
  });

  it('takes names for names, also those that look like keywords', () => {
    assert.equal(insertOf('INSERT INTO format FORMAT TSV\n1').head, 'INSERT INTO format');
    assert.equal(
      insertOf('INSERT INTO TABLE values (`format`) VALUES (1)').head,
      'INSERT INTO TABLE values (`format`)',
    );
    assert.equal(insertOf('INSERT INTO db.select VALUES (1)').head, 'INSERT INTO db.select');
  });

  it('leaves INSERT … SELECT whole', () => {
    assert.equal(analyse('INSERT INTO t SELECT 1 FORMAT TSV').kind, 'other');
    assert.equal(analyse('WITH 1 AS x INSERT INTO t SELECT x').kind, 'other');
  });

  it('finds where the output clause of a SELECT goes', () => {
    const outputOf = (text: string): [string, string | undefined] => {
      const statement = analyse(text);
      assert.equal(statement.kind, 'select');
      return [text.slice(0, statement.outputAt).trim(), statement.format];
    };
    assert.deepEqual(outputOf('SELECT 1'), ['SELECT 1', undefined]);
    assert.deepEqual(outputOf('SELECT 1; -- end'), ['SELECT 1', undefined]);
    assert.deepEqual(outputOf('SELECT 1 FORMAT JSON;'), ['SELECT 1', 'JSON']);
    assert.deepEqual(outputOf('SELECT 1 SETTINGS a = 1 FORMAT JSON SETTINGS b = 2'), [
      'SELECT 1 SETTINGS a = 1',
      'JSON',
    ]);
    assert.deepEqual(outputOf("SELECT format('{}', a) FROM (SELECT 1 AS a)"), [
      "SELECT format('{}', a) FROM (SELECT 1 AS a)",
      undefined,
    ]);
    assert.deepEqual(outputOf('SELECT a.format AS f, 1 FROM a'), ['SELECT a.format AS f, 1 FROM a', undefined]);
    assert.deepEqual(outputOf('(SELECT 1) UNION ALL (SELECT 2) FORMAT CSV'), [
      '(SELECT 1) UNION ALL (SELECT 2)',
      'CSV',
    ]);
  });

  it('refuses a second statement and files', () => {
    const code = (clickhouseCode: number) => ({ clickhouseCode });
    assert.throws(() => analyse('SELECT 1; SELECT 2'), code(62));
    assert.throws(() => analyse("SELECT 1 INTO OUTFILE 'x'"), code(358));
    assert.throws(() => analyse("SHOW TABLES INTO /* */ outfile 'x'"), code(358));
    assert.throws(() => analyse("INSERT INTO t FROM INFILE 'x' FORMAT TSV"), code(78));
    assert.equal(analyse('INSERT INTO outfile SELECT 1').kind, 'other');
    assert.equal(analyse("SELECT ';', `;`").kind, 'select');
    assert.equal(analyse(' -- nothing').kind, 'empty');
  });
});
