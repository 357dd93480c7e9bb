/** That the last write failed. */
export interface StorageProblem {
  /** `DISK_FULL`, `DATABASE_DAMAGED` or `STORAGE_FAILED` */
  readonly code: string;
  readonly message: string;
}
