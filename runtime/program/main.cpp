#include "runtime/adapters/terminal.hpp"
#include "runtime/program/program.hpp"

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

int main(int count, char* arguments[]) {
  try {
    gemel::terminal console;
    std::vector<std::string> words{arguments + 1, arguments + count};
    return gemel::run_program(words, console);
  } catch (const std::exception& bug) {
    static_cast<void>(std::fprintf(stderr, "gemel: a bug of gemel itself: %s\n", bug.what()));
    return 1;
  }
}
