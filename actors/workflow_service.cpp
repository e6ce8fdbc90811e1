#include "actors/workflow_service.hpp"

#include "messages/replies.hpp"
#include "workflows/call_arguments.hpp"
#include "workflows/run_record_value.hpp"

#include <algorithm>
#include <limits>

namespace gemel {

namespace {

// Bytes and changes of one answer; it must fit a frame.
constexpr std::size_t answer_bytes_max = 1u << 20;
constexpr std::size_t answer_changes_max = 2'000;
constexpr std::int64_t wait_ms_max = 60'000;
constexpr std::int64_t list_max = 1'000;
constexpr std::int64_t list_default = 100;

value number(std::size_t count) {
  return value{static_cast<std::int64_t>(count)};
}

// What is too large for an answer stays with the node.
value stand_in(const value& large) {
  return value{value_map{{"large", value{true}}, {"bytes", number(large.heap_bytes())}}};
}

value shown(const run_record& record) {
  auto bytes = record.outcome.result.heap_bytes();
  if (bytes <= answer_bytes_max / 2)
    return to_value(record);
  auto slim = record;
  slim.outcome.result = stand_in(record.outcome.result);
  return to_value(slim);
}

std::string no_run(std::string_view id) {
  return "there is no run '" + std::string{id} + "'";
}

} // namespace

void workflow_service::call(const service_call& asked, const reply_function& reply) {
  call_arguments from{asked.arguments};
  if (asked.name == "changes")
    return changes(from, reply);
  if (asked.name == "run")
    return run(from, reply);
  auto made = [&]() -> answer {
    if (asked.name == "add")
      return add(from);
    if (asked.name == "start")
      return start(from);
    if (asked.name == "list")
      return list(from);
    if (asked.name == "show")
      return show(from);
    if (asked.name == "result")
      return result_of(from);
    if (asked.name == "signal")
      return signal(from);
    if (asked.name == "rerun")
      return rerun(from);
    if (asked.name == "versions")
      return versions(from);
    return control(asked, from);
  }();
  if (!made)
    return reply(make_error_reply(made.error()));
  // What was asked is done once it outlives the process.
  coordinator_.when_kept([reply, answer = make_result_reply(*made)](const result<void>& how) {
    reply(how ? answer : make_error_reply(how.error()));
  });
}

value workflow_service::state_of(std::string_view id) const {
  auto found = coordinator_.find(id);
  return found ? value{to_string(found->run->state())} : value{};
}

workflow_service::answer workflow_service::add(call_arguments& from) {
  auto text = from.reader.text("document", object_reader::required);
  auto file = from.reader.text("file").value_or("");
  if (auto fine = from.finish(); !fine)
    return tl::unexpected<error>(fine.error());
  auto made = coordinator_.add(std::move(*text), std::move(file));
  if (!made)
    return fail(made.error().front().code, to_string(made.error()));
  return value{value_map{{"workflow", value{(*made)->name()}},
                         {"version", value{std::int64_t{(*made)->version()}}},
                         {"digest", value{workflow_catalog::digest_of((*made)->text())}}}};
}

workflow_service::answer workflow_service::start(call_arguments& from) {
  auto text = from.reader.text("document");
  auto file = from.reader.text("file").value_or("");
  auto name = from.reader.text("workflow");
  auto version = from.reader.integer("version", 1, 0xffff'ffff);
  auto id = from.reader.text("id").value_or("");
  auto cause = from.reader.text("cause").value_or("by hand");
  const auto* input = from.reader.object("input");
  auto given = input != nullptr ? *input : value{};
  if (text.has_value() == name.has_value())
    from.reader.report({}, errc::bad_value, "one of 'document' and 'workflow' is needed");
  if (auto fine = from.finish(); !fine)
    return tl::unexpected<error>(fine.error());
  workflow_coordinator::document_ptr document;
  if (text) {
    auto made = coordinator_.add(std::move(*text), std::move(file));
    if (!made)
      return fail(made.error().front().code, to_string(made.error()));
    document = *made;
  } else {
    document = coordinator_.catalog().find(*name, static_cast<std::uint32_t>(version.value_or(0)));
    if (document == nullptr)
      return fail(errc::not_found,
                  "there is no workflow '" + *name + "'"
                      + (version ? " of version " + std::to_string(*version) : std::string{}));
  }
  auto begun = coordinator_.start({std::move(id), document, std::move(given), std::move(cause)});
  if (!begun)
    return tl::unexpected<error>(begun.error());
  return value{value_map{{"id", value{*begun}}, {"state", state_of(*begun)}}};
}

// Runs without an end so far have no results.
value workflow_service::end_of(std::string_view id) const {
  auto found = coordinator_.find(id);
  if (!found)
    return {};
  bool has_ended = is_terminal(found->run->state());
  auto results = has_ended ? found->run->results() : value{};
  if (results.heap_bytes() > answer_bytes_max)
    results = stand_in(results);
  return value{value_map{{"id", value{found->id}},
                         {"state", value{to_string(found->run->state())}},
                         {"ended", value{has_ended}},
                         {"results", std::move(results)}}};
}

void workflow_service::run(call_arguments& from, const reply_function& reply) {
  auto wait = from.reader.integer("wait_ms", 0, wait_ms_max).value_or(wait_ms_max);
  auto begun = start(from);
  if (!begun)
    return reply(make_error_reply(begun.error()));
  const auto* id = begun->find("id");
  GEMEL_CHECK(id != nullptr);
  coordinator_.when_changed(
      id->as_text(), std::numeric_limits<std::size_t>::max(), now_ms_() + wait,
      [this, id = std::string{id->as_text()}, reply] { reply(make_result_reply(end_of(id))); });
}

namespace {

value summary_of(const workflow_coordinator::run_view& of) {
  const auto& document = of.run->document();
  std::size_t done = 0;
  for (std::uint32_t i = 0; i < document.steps().size(); ++i)
    done += is_terminal(of.run->step(i).state);
  bool has_ended = is_terminal(of.run->state());
  const auto& records = *of.records;
  return value{
      value_map{{"id", value{of.id}},
                {"workflow", value{document.name()}},
                {"version", value{std::int64_t{document.version()}}},
                {"state", value{to_string(of.run->state())}},
                {"started_ms", records.empty() ? value{} : value{records.front().at_ms}},
                {"ended_ms", has_ended && !records.empty() ? value{records.back().at_ms} : value{}},
                {"steps", number(document.steps().size())},
                {"steps_ended", number(done)},
                {"cause", value{of.cause}}}};
}

} // namespace

workflow_service::answer workflow_service::list(call_arguments& from) {
  auto name = from.reader.text("workflow");
  auto state = from.reader.text("state");
  auto limit = from.reader.integer("limit", 1, list_max).value_or(list_default);
  bool known = !state;
  for (int i = 0; i <= static_cast<int>(run_state::timed_out); ++i)
    known = known || to_string(static_cast<run_state>(i)) == *state;
  if (!known)
    from.reader.report("state", errc::bad_value, "'" + *state + "' is no state of a run",
                       "pending, running, paused, completed, completed_with_errors, failed, "
                       "cancelled or timed_out");
  if (auto fine = from.finish(); !fine)
    return tl::unexpected<error>(fine.error());
  value_list runs;
  bool more = false;
  coordinator_.each([&](const workflow_coordinator::run_view& one) {
    if ((name && one.run->document().name() != *name)
        || (state && to_string(one.run->state()) != *state))
      return true;
    more = static_cast<std::int64_t>(runs.size()) == limit;
    if (!more)
      runs.push_back(summary_of(one));
    return !more;
  });
  return value{value_map{{"runs", value{std::move(runs)}}, {"more", value{more}}}};
}

workflow_service::answer workflow_service::show(call_arguments& from) {
  auto id = from.reader.text("id", object_reader::required);
  if (auto fine = from.finish(); !fine)
    return tl::unexpected<error>(fine.error());
  auto found = coordinator_.find(*id);
  if (!found)
    return fail(errc::not_found, no_run(*id));
  return value{value_map{{"id", value{found->id}},
                         {"state", value{to_string(found->run->state())}},
                         {"document", value{found->run->document().text()}},
                         {"input", found->input},
                         {"cause", value{found->cause}},
                         {"changes", number(found->kept)}}};
}

value workflow_service::changes_after(std::string_view id, std::size_t after) const {
  auto found = coordinator_.find(id);
  if (!found)
    return {};
  const auto& records = *found->records;
  value_list list;
  std::size_t bytes = 0;
  auto next = std::min(after, found->kept);
  for (; next < found->kept && list.size() < answer_changes_max; ++next) {
    auto one = shown(records[next]);
    bytes += one.heap_bytes();
    if (bytes > answer_bytes_max && !list.empty())
      break;
    list.push_back(std::move(one));
  }
  return value{value_map{{"state", value{to_string(found->run->state())}},
                         {"ended", value{is_terminal(found->run->state())}},
                         {"changes", value{std::move(list)}},
                         {"next", number(next)},
                         {"more", value{next < found->kept}}}};
}

void workflow_service::changes(call_arguments& from, const reply_function& reply) {
  auto id = from.reader.text("id", object_reader::required);
  auto after = static_cast<std::size_t>(
      from.reader.integer("after", 0, std::numeric_limits<std::int64_t>::max()).value_or(0));
  auto wait = from.reader.integer("wait_ms", 0, wait_ms_max).value_or(0);
  if (auto fine = from.finish(); !fine)
    return reply(make_error_reply(fine.error()));
  if (!coordinator_.find(*id))
    return reply(make_error_reply({errc::not_found, no_run(*id)}));
  coordinator_.when_changed(
      *id, after, wait > 0 ? now_ms_() + wait : 0,
      [this, id = *id, after, reply] { reply(make_result_reply(changes_after(id, after))); });
}

workflow_service::answer workflow_service::result_of(call_arguments& from) {
  auto id = from.reader.text("id", object_reader::required);
  auto step = from.reader.text("step", object_reader::required);
  auto offset = static_cast<std::size_t>(
      from.reader.integer("offset", 0, std::numeric_limits<std::int64_t>::max()).value_or(0));
  if (auto fine = from.finish(); !fine)
    return tl::unexpected<error>(fine.error());
  auto found = coordinator_.find(*id);
  if (!found)
    return fail(errc::not_found, no_run(*id));
  auto index = found->run->document().find(*step);
  if (!index)
    return fail(errc::not_found, "run " + *id + " has no step '" + *step + "'");
  if (!is_terminal(found->run->step(*index).state))
    return fail(errc::illegal_state, "step '" + *step + "' of run " + *id + " has not ended");
  auto whole = to_json(found->run->step(*index).outcome.result);
  offset = std::min(offset, whole.size());
  auto next = std::min(offset + answer_bytes_max, whole.size());
  while (next < whole.size() && (static_cast<unsigned char>(whole[next]) & 0xc0U) == 0x80U)
    --next; // Not within a character.
  return value{value_map{{"text", value{whole.substr(offset, next - offset)}},
                         {"next", number(next)},
                         {"more", value{next < whole.size()}}}};
}

workflow_service::answer workflow_service::signal(call_arguments& from) {
  auto event = from.reader.text("event", object_reader::required);
  auto id = from.reader.text("id").value_or("");
  auto twin = from.reader.text("twin").value_or("");
  const auto* content = from.reader.object("content");
  auto given = content != nullptr ? *content : value{value_map{}};
  if (auto fine = from.finish(); !fine)
    return tl::unexpected<error>(fine.error());
  auto heard = coordinator_.signal(id, *event, twin, given);
  if (!heard)
    return tl::unexpected<error>(heard.error());
  return value{value_map{{"heard", number(*heard)}}};
}

workflow_service::answer workflow_service::control(const service_call& asked,
                                                   call_arguments& from) {
  using act = result<void> (workflow_coordinator::*)(std::string_view);
  act what = asked.name == "cancel"       ? &workflow_coordinator::cancel
             : asked.name == "pause"      ? &workflow_coordinator::pause
             : asked.name == "resume"     ? &workflow_coordinator::resume
             : asked.name == "compensate" ? &workflow_coordinator::compensate
                                          : static_cast<act>(nullptr);
  if (what == nullptr)
    return fail(errc::unknown_command, "workflows cannot '" + asked.name + "'");
  auto id = from.reader.text("id", object_reader::required);
  if (auto fine = from.finish(); !fine)
    return tl::unexpected<error>(fine.error());
  if (auto done = (coordinator_.*what)(*id); !done)
    return tl::unexpected<error>(done.error());
  return value{value_map{{"id", value{*id}}, {"state", state_of(*id)}}};
}

workflow_service::answer workflow_service::rerun(call_arguments& from) {
  auto id = from.reader.text("id", object_reader::required);
  auto step = from.reader.text("from").value_or("");
  auto as = from.reader.text("as").value_or("");
  if (auto fine = from.finish(); !fine)
    return tl::unexpected<error>(fine.error());
  auto begun = coordinator_.rerun(*id, step, std::move(as));
  if (!begun)
    return tl::unexpected<error>(begun.error());
  return value{value_map{{"id", value{*begun}}, {"state", state_of(*begun)}}};
}

workflow_service::answer workflow_service::versions(call_arguments& from) {
  auto name = from.reader.text("workflow");
  if (auto fine = from.finish(); !fine)
    return tl::unexpected<error>(fine.error());
  std::map<const workflow*, std::size_t> open;
  coordinator_.each([&](const workflow_coordinator::run_view& one) {
    open[&one.run->document()] += !is_terminal(one.run->state());
    return true;
  });
  value_list all;
  for (const auto& [known, versions] : coordinator_.catalog().all())
    for (const auto& [version, document] : versions)
      if (!name || *name == known)
        all.push_back(value{value_map{{"workflow", value{known}},
                                      {"version", value{std::int64_t{version}}},
                                      {"steps", number(document->steps().size())},
                                      {"triggers", number(document->triggers().size())},
                                      {"open_runs", number(open[document.get()])}}});
  if (name && all.empty())
    return fail(errc::not_found, "there is no workflow '" + *name + "'");
  return value{value_map{{"versions", value{std::move(all)}}}};
}

} // namespace gemel
