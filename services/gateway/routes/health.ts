import type { RequestHandler } from 'express';

/** `GET /health`: the process lives. Whether it can serve is what `/ready` tells. */
export const health: RequestHandler = (_request, response) => void response.json({ status: 'ok' });
