/** What the store says to operators; pino's loggers are one. */
export interface StoreLog {
  warn(fields: object, message: string): void;
}
