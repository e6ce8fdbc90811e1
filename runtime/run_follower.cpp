#include "runtime/run_follower.hpp"

#include "workflows/run_record_value.hpp"

namespace gemel {

namespace {

std::string text_at(const value& from, std::string_view key) {
  const auto* found = from.find(key);
  return found != nullptr && found->is_text() ? std::string{found->as_text()} : std::string{};
}

bool flag_at(const value& from, std::string_view key) {
  const auto* found = from.find(key);
  return found != nullptr && found->is_bool() && found->as_bool();
}

} // namespace

result<run_follower> run_follower::open(twin_api& on, std::string_view id) {
  auto shown = on.call({"workflows", "show", value{value_map{{"id", value{id}}}}});
  if (!shown)
    return tl::unexpected<error>(shown.error());
  auto document = workflow::parse(text_at(*shown, "document"), "");
  if (!document)
    return fail(errc::incompatible, "the run's document is of another version of this program: "
                                        + to_string(document.error().front()));
  const auto* input = shown->find("input");
  auto run = std::make_unique<workflow_run>(text_at(*shown, "id"),
                                            std::make_shared<const workflow>(std::move(*document)),
                                            input != nullptr ? *input : value{}, 0);
  return run_follower{on, std::move(run), text_at(*shown, "cause")};
}

result<bool>
run_follower::fetch(std::chrono::milliseconds wait,
                    const std::function<void(const workflow_run&, const run_record&)>& each) {
  for (;;) {
    auto answer =
        on_->call({"workflows", "changes",
                   value{value_map{{"id", value{run_->id()}},
                                   {"after", value{static_cast<std::int64_t>(records_.size())}},
                                   {"wait_ms", value{static_cast<std::int64_t>(wait.count())}}}}});
    if (!answer)
      return tl::unexpected<error>(answer.error());
    const auto* changes = answer->find("changes");
    if (changes == nullptr || !changes->is_list())
      return fail(errc::bad_frame, "an answer without changes");
    for (const auto& one : changes->as_list()) {
      auto record = run_record_of(one);
      if (!record || record->step >= run_->document().steps().size())
        return fail(errc::bad_frame, "a change of a run cannot be read");
      run_->apply(*record);
      records_.push_back(std::move(*record));
      if (each)
        each(*run_, records_.back());
    }
    if (!flag_at(*answer, "more"))
      return !flag_at(*answer, "ended");
    wait = {};
  }
}

} // namespace gemel
