#include "tests/support/random_messages.hpp"

#include <cstdio>
#include <fstream>
#include <string>

/// Writes three frames of every kind into the folder given: what a fuzzer starts from.
int main(int argc, char* argv[]) {
  if (argc != 2) {
    std::fputs("usage: gemel-frame-seeds FOLDER (must exist)\n", stderr);
    return 2;
  }
  gemel::test::random_messages random{1};
  for (std::size_t i = 0; i < 3 * gemel::test::random_messages::kinds; ++i) {
    auto made = random.any_frame(i);
    std::ofstream file{std::string{argv[1]} + "/frame-" + std::to_string(i), std::ios::binary};
    file.write(reinterpret_cast<const char*>(made.bytes().data()),
               static_cast<std::streamsize>(made.size()));
    if (!file.flush()) {
      std::fprintf(stderr, "%s: a file could not be written there\n", argv[1]);
      return 1;
    }
  }
}
