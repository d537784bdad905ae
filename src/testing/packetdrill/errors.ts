/** The two ways in which a script ends early. */

/** Something was not as the script says. */
export class ScriptFailure extends Error {
  /** Line of the event; 0 = the script as a whole. */
  readonly line: number;
  /** In the script's notation; '' where there is none. */
  readonly want: string;
  readonly got: string;

  constructor(line: number, message: string, want: string = '', got: string = '') {
    super(message);
    this.name = 'ScriptFailure';
    this.line = line;
    this.want = want;
    this.got = got;
  }
}

/** The script needs what this host does not have: it is neither passed nor failed. */
export class ScriptSkipped extends Error {
  constructor(feature: string) {
    super(feature);
    this.name = 'ScriptSkipped';
  }
}
