/** The outside programs Weir uses: which package holds them, how new they must be, how to get them by hand. */

/** One outside program. */
export interface Tool {
  /** Name of the program on the PATH. */
  program: string;
  /** Debian package. */
  debianPackage: string;
  /** Arguments that make it print its version and end. */
  versionArguments: readonly string[];
  /** Finds the version in what it prints (stdout or stderr); first group. */
  versionPattern: RegExp;
  /** Oldest version that will do. */
  leastVersion: string;
  /** One static file, so that its package can be unpacked anywhere, without root. */
  isStatic: boolean;
  /** How to get it where we can't, as the end of a sentence. */
  howToGet: string;
}

/** All of them, by program. */
export const TOOLS = {
  'nats-server': {
    program: 'nats-server',
    debianPackage: 'nats-server',
    versionArguments: ['--version'],
    versionPattern: /nats-server: v(\d+(?:\.\d+)*)/,
    leastVersion: '2.9',
    isStatic: true,
    howToGet: 'install it from https://github.com/nats-io/nats-server/releases (brew install nats-server on macOS)',
  },
  ffmpeg: {
    program: 'ffmpeg',
    debianPackage: 'ffmpeg',
    versionArguments: ['-version'],
    // Builds from git print a revision (N-12345-g…): no number, taken as new enough.
    versionPattern: /ffmpeg version n?(\d+(?:\.\d+)*)/,
    leastVersion: '4.3',
    isStatic: false,
    howToGet: 'install it from https://ffmpeg.org/download.html (brew install ffmpeg on macOS)',
  },
  chromium: {
    program: 'chromium',
    debianPackage: 'chromium',
    versionArguments: ['--version'],
    versionPattern: /Chromium (\d+(?:\.\d+)*)/,
    leastVersion: '110',
    isStatic: false,
    howToGet: 'install Chromium (apt install chromium, brew install chromium on macOS)',
  },
} as const satisfies Record<string, Tool>;

export type ToolName = keyof typeof TOOLS;

/** Whether version `a` is older than `b`; missing parts count as 0. */
export function isOlder(a: string, b: string): boolean {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number)) as [number[], number[]];
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
