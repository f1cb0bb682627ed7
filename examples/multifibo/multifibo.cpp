// multifibo [COUNT]: forks COUNT processes, of which the nth computes the nth Fibonacci number, and waits for them all.
// Exit status: 0 when every process succeeded, 1 when any did not, 2 for a bad argument.
#include "fibonacci.h"

#include <cstdio>
#include <cstring>
#include <map>
#include <sys/wait.h>

namespace {

[[noreturn]] void compute(int n) {
  const std::string prefix = std::to_string(n) + " -> ";
  const bool written = writeLine(prefix + "started") && writeLine(prefix + std::to_string(fibonacci(n)));
  if (!written) std::perror("multifibo: cannot write");
  _exit(written ? 0 : 1);
}

std::string describeFailure(int status) {
  if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
  return "exit " + std::to_string(WEXITSTATUS(status));
}

// Reports one ended process; true when it succeeded.
bool report(int n, pid_t pid, int status) {
  const std::string head = std::to_string(n) + " -> ";
  const std::string tail = " [" + std::to_string(pid) + "]";
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return writeLine(head + "done" + tail);
  std::fprintf(stderr, "%sfailed%s %s\n", head.c_str(), tail.c_str(), describeFailure(status).c_str());
  return false;
}

}  // namespace

int main(int argc, char *argv[]) {
  int count = 35;
  if (argc > 2 || (argc == 2 && !parseNumber(argv[1], 1, count))) {
    std::fprintf(stderr, "usage: multifibo [COUNT]   (1 to %d, 35 if left out)\n", largestNumber);
    return 2;
  }

  bool well = true;
  std::map<pid_t, int> numbers;
  for (int n = 1; n <= count; ++n) {
    const pid_t pid = fork();
    if (pid == 0) compute(n);
    if (pid < 0) {
      std::fprintf(stderr, "%d -> not started: %s\n", n, std::strerror(errno));
      well = false;
      break;
    }
    numbers.emplace(pid, n);
  }

  while (!numbers.empty()) {
    int status = 0;
    const pid_t pid = wait(&status);
    if (pid < 0) {
      if (errno == EINTR) continue;
      std::perror("multifibo: cannot wait");
      return 1;
    }
    const auto found = numbers.find(pid);
    if (found == numbers.end()) continue;  // a child that whoever started this program left behind
    if (!report(found->second, pid, status)) well = false;
    numbers.erase(found);
  }

  if (!well) return 1;
  if (!writeLine("Done!")) {
    std::perror("multifibo: cannot write");
    return 1;
  }
  return 0;
}
