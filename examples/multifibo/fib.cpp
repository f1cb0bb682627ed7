// fib NUMBER: one Fibonacci number, one process.
#include "fibonacci.h"

#include <cstdio>

int main(int argc, char *argv[]) {
  int n = 0;
  if (argc != 2 || !parseNumber(argv[1], 0, n)) {
    std::fprintf(stderr, "usage: fib NUMBER   (0 to %d)\n", largestNumber);
    return 2;
  }
  if (!writeLine(std::to_string(n) + " -> " + std::to_string(fibonacci(n)))) {
    std::perror("fib: cannot write the result");
    return 1;
  }
  return 0;
}
