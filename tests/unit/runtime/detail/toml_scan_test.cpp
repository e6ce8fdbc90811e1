#include "runtime/detail/toml_scan.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace gemel::detail;

TEST_CASE("a character beyond ASCII is stray outside of texts and comments alone",
          "[unit][runtime]") {
  for (const char* fine :
       {"", "a = 1", "a = \"é\"", "a = 'é' # é", "# é\na = \"\\\"é\"", "a = '''é\n'' é'''",
        "a = \"\"\"é\n\"\" é\"\"\"\"", "a = ''\nb = \"é\"", "\xEF\xBB\xBF[node]", "\"é\" = 1"}) {
    INFO(fine);
    CHECK(stray_character(fine) == std::nullopt);
  }
  CHECK(stray_character("é = 1") == 0u);
  CHECK(stray_character("a = 'x'é") == 7u);
  CHECK(stray_character("a = \"x\né") == 7u); // a text of one line ends with it
  CHECK(stray_character("a = '\\'é") == 7u);  // no escapes in these
  CHECK(stray_character("a = \"\"\"x\"\"\"\"\" é") == 14u);
  CHECK(stray_character("a = 1 \xA0") == 6u);
}
