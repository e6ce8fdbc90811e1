#include "actors/run_log.hpp"

#include <utility>

namespace gemel {

namespace {

constexpr std::string_view prefix = "runs/";

} // namespace

void memory_run_log::append(std::vector<run_fact> made, done_function done) {
  if (dies_after && appends >= *dies_after)
    return;
  ++appends;
  for (auto& one : made) {
    if (one.content)
      facts.insert_or_assign(std::move(one.key), std::move(*one.content));
    else
      facts.erase(one.key);
  }
  done({});
}

result<void> memory_run_log::read(const fact_sink& each) const {
  for (const auto& [key, content] : facts)
    if (auto taken = each(key, content); !taken)
      return taken;
  return {};
}

void store_run_log::append(std::vector<run_fact> facts, done_function done) {
  log_entry entry;
  entry.stream = log_stream::none;
  entry.wanted = wanted_;
  for (auto& one : facts)
    entry.meta.push_back({std::string{prefix} + one.key, std::move(one.content)});
  auto shared = std::make_shared<done_function>(std::move(done));
  entry.done = [shared](result<void> how) { (*shared)(std::move(how)); };
  if (auto taken = store_.append(std::move(entry)); !taken)
    (*shared)(tl::unexpected<error>(taken.error()));
}

result<void> store_run_log::read(const fact_sink& each) const {
  return store_.read_meta_all(prefix, [&](std::string_view key, std::string_view content) {
    return each(key.substr(prefix.size()), content);
  });
}

} // namespace gemel
