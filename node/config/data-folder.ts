import { join } from "node:path";

/** Folder that a node keeps its data in, and that commands look for it in. */
export const DEFAULT_DATA_FOLDER = "./aorta-data";

/** Path of the admin socket of a node with this data folder, unless it was put elsewhere. */
export function adminSocketOf(dataFolder: string): string {
  return join(dataFolder, "admin.sock");
}
