#include "tests/fuzz/fuzz.hpp"
#include "workflows/cron.hpp"
#include "workflows/json_schema.hpp"
#include "workflows/workflow.hpp"

/// A workflow of any text is refused with all its faults, or can be asked whether an input fits it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gemel;
  auto text = fuzz::text_of(data, size);
  if (auto times = cron_schedule::parse(text))
    fuzz::expect(times->next_after(0) > 0, "a time that is not after");
  auto made = workflow::parse(std::string{text}, "fuzz.json");
  if (!made) {
    fuzz::expect_named(made.error());
    return 0;
  }
  value input{value_map{{"a", value{1.5}}, {"b", value{"text"}}}};
  if (auto fits = check_input(*made, input); !fits)
    fuzz::expect_named(fits.error());
  return 0;
}
