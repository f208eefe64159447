import { Tenant, type TenantSettings } from '../../../../services/gateway/keys/tenant.js';
import { thrownBy } from '../../../support/thrown-by.js';

const UNLIMITED: TenantSettings = {
  name: 'alice',
  digests: [],
  models: null,
  requestsPerMinute: null,
  tokensPerMinute: null,
  concurrency: null,
  cacheSalt: 'tenant:alice',
  priority: 0,
};

describe('a tenant', () => {
  let now = 0;
  const tenant = (settings: Partial<TenantSettings>): Tenant =>
    new Tenant({ ...UNLIMITED, ...settings }, () => now);
  beforeEach(() => (now = 0));

  it('may send so many requests a minute', async () => {
    const limited = tenant({ requestsPerMinute: 2 });
    limited.begin();
    limited.begin();
    expect(await thrownBy(() => limited.begin())).toMatchObject({
      code: 'rate_limit_exceeded',
      retryAfter: 30,
    });
    expect(limited.headers).toEqual({
      'x-ratelimit-limit-requests': '2',
      'x-ratelimit-remaining-requests': '0',
      'x-ratelimit-reset-requests': '1m0s',
    });
    now = 30_000;
    limited.begin();
  });

  it('may have so many at once, and those that are refused cost nothing', async () => {
    const limited = tenant({ concurrency: 1, requestsPerMinute: 2 });
    const end = limited.begin();
    for (let tries = 0; tries < 5; tries += 1)
      expect(await thrownBy(() => limited.begin())).toMatchObject({ code: 'rate_limit_exceeded' });
    end();
    limited.begin();
  });

  it('pays for what a request took, of what was set aside for it', async () => {
    const limited = tenant({ tokensPerMinute: 100 });
    const settle = limited.reserve({ prompt: 20, output: 60 });
    expect(limited.headers['x-ratelimit-remaining-tokens']).toBe('20');
    expect(await thrownBy(() => limited.reserve({ prompt: 20, output: 1 }))).toMatchObject({
      code: 'rate_limit_exceeded',
      retryAfter: expect.closeTo(0.6, 6) as number,
    });
    settle(25);
    expect(limited.headers).toMatchObject({
      'x-ratelimit-remaining-tokens': '75',
      'x-ratelimit-reset-tokens': '15s',
    });
  });

  it('sets aside no more than a minute has, and owes what came beyond it', async () => {
    const limited = tenant({ tokensPerMinute: 100 });
    limited.reserve({ prompt: 50, output: 8_000 })(250);
    expect(limited.headers['x-ratelimit-remaining-tokens']).toBe('0');
    expect(limited.headers['x-ratelimit-reset-tokens']).toBe('2m30s');
    expect(await thrownBy(() => limited.reserve({ prompt: 1, output: 1 }))).toMatchObject({
      retryAfter: expect.closeTo(91.2, 6) as number,
    });
  });

  it('is told when waiting will not help', async () => {
    const limited = tenant({ tokensPerMinute: 100 });
    expect(await thrownBy(() => limited.reserve({ prompt: 101, output: 1 }))).toMatchObject({
      retryAfter: Infinity,
    });
  });

  it('keeps what it has used when its limits change, come or go', () => {
    const limited = tenant({ requestsPerMinute: 2 });
    limited.begin();
    limited.become({ ...UNLIMITED, requestsPerMinute: 10, tokensPerMinute: 50 });
    expect(limited.headers).toMatchObject({
      'x-ratelimit-remaining-requests': '9',
      'x-ratelimit-remaining-tokens': '50',
    });
    limited.become(UNLIMITED);
    expect(limited.headers).toEqual({});
  });

  it('uses the models of its list, by any of their names', () => {
    const model = { id: 'small', aliases: ['gpt-4o-mini'] };
    expect(tenant({}).mayUse(model)).toBe(true);
    expect(tenant({ models: ['small'] }).mayUse(model)).toBe(true);
    expect(tenant({ models: ['x', 'gpt-4o-mini'] }).mayUse(model)).toBe(true);
    expect(tenant({ models: ['large'] }).mayUse(model)).toBe(false);
    expect(tenant({ models: [] }).mayUse(model)).toBe(false);
  });

  it('has a part of the cache that no other can name, and no more urgency than its own', () => {
    const alice = tenant({});
    const bob = tenant({ name: 'bob', cacheSalt: 'tenant:bob', priority: -5 });
    const own = alice.bind({ cacheSalt: null, priority: -9 });
    expect(own.priority).toBe(0);
    expect(bob.bind({ cacheSalt: null, priority: -9 }).priority).toBe(-5);
    expect(bob.bind({ cacheSalt: null, priority: 3 }).priority).toBe(3);
    const tried = [null, 'x', 'tenant:alice', own.cacheSalt];
    const all = [alice, bob].flatMap((each) =>
      tried.map((cacheSalt) => each.bind({ cacheSalt, priority: 0 }).cacheSalt),
    );
    expect(new Set(all).size).toBe(all.length);
  });
});
