// What the two programs share: the slow recursion, reading the argument, and writing a line whole.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <unistd.h>

// fibonacci(92) is the last one to fit in 64 bits; long before that the time runs out.
constexpr int largestNumber = 90;

// The recursion is the load, so it must really happen. The two empty asm statements hide the values from the optimiser:
// no call can be folded, shared or turned into a loop, while the code around them is built with -O2 as usual.
[[gnu::noinline]] inline std::uint64_t fibonacci(int n) {
  asm volatile("" : "+r"(n));
  if (n < 2) return 1;
  std::uint64_t sum = fibonacci(n - 1);
  sum += fibonacci(n - 2);
  asm volatile("" : "+r"(sum));
  return sum;
}

// True when the whole text is a decimal number from `least` to largestNumber.
inline bool parseNumber(const char *text, int least, int &number) {
  if (*text < '0' || *text > '9') return false;
  char *end = nullptr;
  errno = 0;
  const long value = std::strtol(text, &end, 10);
  if (errno != 0 || *end != '\0' || value < least || value > largestNumber) return false;
  number = static_cast<int>(value);
  return true;
}

// Hands the line to the kernel in one write, so that lines of processes sharing an output do not tear.
inline bool writeLine(const std::string &text) {
  const std::string line = text + '\n';
  std::size_t done = 0;
  while (done < line.size()) {
    const ssize_t count = write(STDOUT_FILENO, line.data() + done, line.size() - done);
    if (count < 0 && errno != EINTR) return false;
    if (count > 0) done += static_cast<std::size_t>(count);
  }
  return true;
}
