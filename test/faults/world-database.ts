/** What a world asks of the database that its nodes work on; which servers it has and how they fail is its own matter. */
export interface WorldDatabase {
  /** Straight to it, through no proxy of the run. */
  readonly url: string;
  /** DATABASE_URL of one node more. */
  urlForNode(): Promise<string>;
  stop(): Promise<void>;
}
