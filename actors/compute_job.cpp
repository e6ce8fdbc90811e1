#include "actors/compute_job.hpp"

#include "messages/packed.hpp"
#include "messages/value.hpp"

#include <exception>

namespace gemel {

result<value> compute_job::call() const {
  try {
    return about->call(input);
  } catch (const std::exception& why) {
    return fail(errc::command_failed, function + " threw: " + why.what());
  } catch (...) {
    return fail(errc::command_failed, function + " threw");
  }
}

std::uint64_t fingerprint_of(const compute_job& job) {
  auto text = job.function;
  for (const auto* part : {&job.input.twin, &job.input.parameters, &job.input.inputs}) {
    text += '\0';
    text += to_json(*part);
  }
  return hash_of(text);
}

} // namespace gemel
