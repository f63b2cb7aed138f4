/** Exception code to HTTP status, as ClickHouse's src/Server/HTTP/exceptionCodeToHTTPStatus.cpp has it. */

const CODES_BY_STATUS: ReadonlyArray<readonly [status: number, codes: readonly number[]]> = [
  [401, [194]],
  [403, [192, 193, 497, 512, 516]],
  [
    400,
    [6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223, 321, 376, 408, 427, 441, 675, 676],
  ],
  [404, [46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511]],
  [408, [159]],
  [411, [381]],
  [413, [229]],
  [415, [779]],
  [501, [48]],
  [503, [76, 202, 209, 439]],
];

const STATUS_BY_CODE = new Map(CODES_BY_STATUS.flatMap(([status, codes]) => codes.map((code) => [code, status])));

/** HTTP status for a ClickHouse exception code; 500 for all that the server does not name. */
export function httpStatus(clickhouseCode: number): number {
  return STATUS_BY_CODE.get(clickhouseCode) ?? 500;
}
