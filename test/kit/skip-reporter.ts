import { relative } from 'node:path';
import type { Reporter, TestCase, TestModule, TestSuite, Vitest } from 'vitest/node';

import { beyondCi } from './needs.ts';

const noReason = 'no reason given (test/kit/needs.ts gives one)';

/**
 * Names every skipped test with its reason, and every test that passed only in its second go with what went wrong in the first;
 * closes with the line `N passed, N failed, N skipped`. Under `CI=true` a skip is a failure, as CI installs what the tests need;
 * except for what it cannot have.
 */
export default class SkipReporter implements Reporter {
  #filtered = false;

  onInit(vitest: Vitest): void {
    // What `-t` leaves out is nobody's loss.
    this.#filtered = vitest.config.testNamePattern !== undefined;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const count = (state: string): number => tests.filter((test) => test.result().state === state).length;
    // A file that cannot be loaded or a broken hook fails without a failed test.
    const failedElsewhere = modules.filter((module) => module.state() === 'failed' && !has(module, 'failed')).length;
    const skipped = tests.filter(
      (test) => test.result().state === 'skipped' && !(this.#filtered && reasonOf(test) === noReason),
    );

    const repeated = tests.filter((test) => test.diagnostic()?.flaky === true);
    if (repeated.length > 0) console.log('Passed in the second go:');
    for (const test of repeated) console.log(`  ${nameOf(test)}: ${firstErrorOf(test)}`);
    if (skipped.length > 0) console.log('Skipped:');
    for (const test of skipped) console.log(`  ${nameOf(test)}: ${reasonOf(test)}`);
    const unexcused = skipped.filter((test) => !reasonOf(test).startsWith(beyondCi));
    if (process.env['CI'] === 'true' && unexcused.length > 0) {
      console.log(`${unexcused.length} tests were skipped that CI must run.`);
      process.exitCode = 1;
    }
    const failed = count('failed') + failedElsewhere + unhandledErrors.length;
    console.log(`${count('passed')} passed, ${failed} failed, ${skipped.length} skipped`);
  }
}

function has(module: TestModule, state: 'failed'): boolean {
  return !module.children.allTests(state).next().done;
}

function nameOf(test: TestCase): string {
  return `${relative('', test.module.moduleId)} > ${test.fullName}`;
}

function firstErrorOf(test: TestCase): string {
  const { stack = '', diff = '' } = test.result().errors?.[0] ?? {};
  const own = stack.split('\n').filter((line) => !line.includes('/node_modules/') && !line.includes('<anonymous>'));
  return [...own, diff].join('\n');
}

function reasonOf(test: TestCase): string {
  const result = test.result();
  if (result.state === 'skipped' && result.note !== undefined) return result.note;
  for (let at: TestCase | TestSuite | TestModule = test; at.type !== 'module'; at = at.parent) {
    const { skipReason } = at.meta();
    if (skipReason !== undefined) return skipReason;
  }
  return noReason;
}
