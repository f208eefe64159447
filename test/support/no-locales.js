/** In place of zod's messages in sixty languages, which jest would load anew for every test file. */
export {};
