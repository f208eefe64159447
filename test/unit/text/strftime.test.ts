import { strftime } from '../../../services/lib/model/text/jinja.js';

describe('strftime', () => {
  it('writes dates as C does, in English', () => {
    const date = new Date(2024, 6, 4, 9, 5, 7);
    expect(strftime(date, '%d %b %Y')).toBe('04 Jul 2024');
    expect(strftime(date, '%A, %B %d, %y at %I:%M %p')).toBe('Thursday, July 04, 24 at 09:05 AM');
    expect(strftime(date, '%a %Y-%m-%dT%H:%M:%S')).toBe('Thu 2024-07-04T09:05:07');
  });

  it('counts the hours of both halves of the day from twelve', () => {
    expect(strftime(new Date(2024, 0, 1, 0, 30), '%I%p')).toBe('12AM');
    expect(strftime(new Date(2024, 0, 1, 13), '%I%p')).toBe('01PM');
  });

  it('leaves alone what it does not know', () => {
    expect(strftime(new Date(2024, 0, 1), '100%% %Q %')).toBe('100% %Q %');
  });
});
