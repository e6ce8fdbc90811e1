#include "messages/duration.hpp"
#include "runtime/adapters/signals.hpp"
#include "runtime/adapters/terminal.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/program/twin_text.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <atomic>
#include <charconv>

namespace gemel {

namespace {

struct watch_arguments {
  subscription_request asked;
  std::uint64_t count = 0; // 0: until it is stopped
  std::string kinds;
  std::string every;
  std::string keep;   // empty: as long as this command tries to link again
  std::string resume; // NUMBER or NUMBER:EVENT
};

// How long a link that broke is tried again, unless --keep says more.
constexpr std::chrono::milliseconds patience{60'000};
constexpr std::chrono::milliseconds retry_pause{300};

result<std::vector<event_kind>> read_kinds(const std::string& text) {
  std::vector<event_kind> made;
  std::vector<std::string_view> names;
  for (auto kind = event_kind::created; kind <= event_kind::moved;
       kind = static_cast<event_kind>(static_cast<int>(kind) + 1))
    names.push_back(to_string(kind));
  for (std::size_t begin = 0; begin <= text.size();) {
    auto end = std::min(text.find(',', begin), text.size());
    auto word = std::string_view{text}.substr(begin, end - begin);
    auto known = std::find(names.begin(), names.end(), word);
    if (known == names.end()) {
      std::string all;
      for (auto name : names)
        all += (all.empty() ? "" : ", ") + std::string{name};
      return fail(errc::bad_value, "--kinds: '" + std::string{word} + "' is none of " + all);
    }
    made.push_back(static_cast<event_kind>(known - names.begin()));
    begin = end + 1;
  }
  return made;
}

result<std::uint32_t> read_ms(const char* option, const std::string& text) {
  auto read = parse_duration(text);
  if (!read || read->count() > UINT32_MAX)
    return fail(errc::bad_value, std::string{option} + ": '" + text + "' is not a duration such as "
                                     + "250ms, 30s or 10m");
  return static_cast<std::uint32_t>(read->count());
}

// NUMBER or NUMBER:EVENT.
result<void> read_resume(const std::string& text, subscription_request& into) {
  auto number = [](std::string_view digits, std::uint64_t& to) {
    auto [stop, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), to);
    return failed == std::errc{} && stop == digits.data() + digits.size();
  };
  auto colon = std::min(text.find(':'), text.size());
  std::string_view whole{text};
  if (!number(whole.substr(0, colon), into.resume) || into.resume == 0
      || (colon < text.size() && !number(whole.substr(colon + 1), into.resume_after)))
    return fail(errc::bad_value, "--resume: '" + text + "' is not a subscription's number, or "
                                     + "NUMBER:EVENT as the command that was cut said");
  return {};
}

result<void> read_arguments(watch_arguments& what) {
  auto failed = [](const error& why) { return tl::unexpected<error>(why); };
  what.asked.keep_ms = static_cast<std::uint32_t>(patience.count());
  if (!what.kinds.empty()) {
    auto kinds = read_kinds(what.kinds);
    if (!kinds)
      return failed(kinds.error());
    what.asked.kinds = std::move(*kinds);
  }
  if (!what.every.empty()) {
    auto every = read_ms("--every", what.every);
    if (!every)
      return failed(every.error());
    what.asked.min_interval_ms = *every;
  }
  if (!what.keep.empty()) {
    auto keep = read_ms("--keep", what.keep);
    if (!keep)
      return failed(keep.error());
    what.asked.keep_ms = *keep;
  }
  return what.resume.empty() ? result<void>{} : read_resume(what.resume, what.asked);
}

// Prints events; called from one thread at a time while the main thread waits for `signals`.
class event_printer {
public:
  event_printer(const program_context& context, std::uint64_t count, stop_signals& signals)
      : context_{context}, left_{count}, is_bounded_{count != 0}, signals_{signals} {}

  void print(const event_batch& events) {
    if (is_done_)
      return;
    if (events.missed() > 0)
      print_missed(events.missed());
    for (unsigned i = 0; i < events.size() && !is_done_; ++i) {
      print(events[i].record());
      if (events.last_sequence() != 0)
        last_sequence_ = events.last_sequence() - (events.size() - 1 - i);
    }
    if (events.size() == 0)
      last_sequence_ = events.last_sequence();
    // A pipe's reader wants them now.
    bool is_written = context_.console.flush().has_value();
    if (is_done_ || !is_written) {
      is_done_ = true;
      signals_.wake();
    }
  }

  void lost() {
    is_lost_ = true;
    signals_.wake();
  }
  bool is_done() const noexcept { return is_done_; }
  bool is_lost() const noexcept { return is_lost_; }
  void linked() noexcept { is_lost_ = false; }
  /// The number of the last event that was printed.
  std::uint64_t last_sequence() const noexcept { return last_sequence_; }
  void start_behind(std::uint64_t sequence) noexcept { last_sequence_ = sequence; }

private:
  void print(const twin_event& event) {
    context_.console.out(context_.json ? event_json(event) + "\n" : event_text(event));
    is_done_ = is_bounded_ && --left_ == 0;
  }

  void print_missed(std::uint64_t missed) {
    context_.console.out(context_.json ? json_object{}.add("missed", missed).text() + "\n"
                                       : missed_text(missed));
  }

  const program_context& context_;
  std::uint64_t left_;
  bool is_bounded_;
  stop_signals& signals_;
  std::atomic<bool> is_done_{false};
  std::atomic<bool> is_lost_{false};
  std::atomic<std::uint64_t> last_sequence_{0};
};

// One watch: links, and links again when the link breaks.
class watcher {
public:
  watcher(const program_context& context, const watch_arguments& what)
      : context_{context}, what_{what}, printer_{std::make_shared<event_printer>(
                                            context, what.count, signals_)} {
    printer_->start_behind(what.asked.resume_after);
  }

  int run() {
    if (auto linked = link(what_.asked); !linked)
      return refuse(context_, linked.error(),
                    std::vector<asked_expression>{{"where", what_.asked.where}});
    context_.console.err("watching node " + link_->node_id() + "; Ctrl-C ends\n");
    auto code = wait_for_end();
    signals_.exit_at_next();
    leave();
    return code;
  }

private:
  result<void> link(const subscription_request& asked) {
    auto made = open_link(context_);
    if (!made)
      return tl::unexpected<error>(std::move(made.error()));
    link_ = std::move(*made);
    printer_->linked();
    link_->on_lost([printer = printer_] { printer->lost(); });
    auto watched = link_->subscribe(
        asked, [printer = printer_](const event_batch& events) { printer->print(events); });
    if (!watched)
      return tl::unexpected<error>(std::move(watched.error()));
    number_ = static_cast<std::uint64_t>(*watched);
    return {};
  }

  // Until enough events came, a signal came, or the link cannot be had again; the exit code.
  int wait_for_end() {
    for (;;) {
      if (auto signal = signals_.wait())
        return exit_signal + *signal;
      if (printer_->is_done())
        return exit_ok;
      if (!printer_->is_lost())
        continue;
      if (what_.asked.keep_ms == 0)
        return refuse(context_, {errc::unreachable, "the link to the node broke"});
      context_.console.err("the link to the node broke; trying again for "
                           + format_duration(again_for()) + "\n");
      auto signal = link_again();
      if (!signal)
        return refuse(context_, signal.error());
      if (*signal != 0)
        return exit_signal + *signal;
    }
  }

  std::chrono::milliseconds again_for() const {
    return std::max(patience, std::chrono::milliseconds{what_.asked.keep_ms});
  }

  // 0: linked; else the signal that came.
  result<int> link_again() {
    auto asked = what_.asked;
    asked.resume = number_;
    asked.resume_after = printer_->last_sequence();
    for (auto left = again_for();; left -= retry_pause) {
      auto linked = link(asked);
      if (linked) {
        context_.console.err("linked again to node " + link_->node_id() + "\n");
        return 0;
      }
      const auto& why = linked.error();
      if (why.code == errc::subscription_lost && asked.resume != 0) {
        // The node was restarted, or it took too long: what happened meanwhile is not known.
        context_.console.err("the node does not keep the subscription any more; events between are "
                             "missed, read the twins again\n");
        asked = what_.asked;
        asked.resume = asked.resume_after = 0;
        continue;
      }
      if (left <= retry_pause)
        return tl::unexpected<error>(why);
      if (auto signal = signals_.wait(retry_pause))
        return *signal;
    }
  }

  // Leaves the subscription behind if it is to be resumed by another command.
  void leave() {
    if (!printer_->is_lost()) {
      if (what_.keep.empty() || what_.asked.keep_ms == 0)
        static_cast<void>(link_->unsubscribe(subscription_id{number_}));
      else
        context_.console.err("go on with --resume " + std::to_string(number_) + ":"
                             + std::to_string(printer_->last_sequence()) + "\n");
    }
    link_.reset(); // no event comes after this
  }

  const program_context& context_;
  const watch_arguments& what_;
  stop_signals signals_; // before the link's threads
  // Shared: a last event may come while the link is taken down.
  std::shared_ptr<event_printer> printer_;
  std::unique_ptr<client> link_;
  std::uint64_t number_ = 0;
};

int run_watch(const program_context& context, watch_arguments& what) {
  if (auto read = read_arguments(what); !read)
    return refuse(context, read.error());
  return watcher{context, what}.run();
}

} // namespace

void add_watch_command(CLI::App& twin, program_context& context) {
  auto what = std::make_shared<watch_arguments>();
  auto* command = twin.add_subcommand("watch", "Print what happens to twins, as it happens");
  command->add_option("ID", what->asked.ids, "Only these twins")->type_name("");
  command->add_option("--type", what->asked.type, "Only twins of this type")->type_name("TYPE");
  command->add_option("--parent", what->asked.parent, "Only children of this twin")
      ->type_name("ID");
  command->add_option("--under", what->asked.ancestor, "Only twins below this one, at any depth")
      ->type_name("ID");
  command
      ->add_option("--where", what->asked.where,
                   "Only events for which this holds: properties of the new state, old.x, "
                   "changed(x), event")
      ->type_name("EXPR");
  command
      ->add_option("--kinds", what->kinds,
                   "Only these kinds of events: created, updated, removed, lifecycle, crashed, "
                   "emitted, moved")
      ->type_name("KIND,...");
  command
      ->add_option("--every", what->every,
                   "At most one update of each twin in this time; those between are folded into it")
      ->type_name("TIME");
  command
      ->add_option("--keep", what->keep,
                   "Have the node keep events so long when this command ends or its link breaks "
                   "(else 60s, and not beyond the command's end; 0s: not at all)")
      ->type_name("TIME");
  command
      ->add_option("--resume", what->resume,
                   "Go on with a subscription that an earlier command left with --keep")
      ->type_name("NUMBER:EVENT");
  command->add_flag("--durable", what->asked.durable,
                    "Only events that a crash of the node can no longer undo");
  command->add_option("--count", what->count, "End after so many events")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  add_link_options(*command, context);
  command->footer("Examples:\n"
                  "  gemel twin watch press-7\n"
                  "  gemel twin watch --type machine --where \"temperature > 85\"\n"
                  "  gemel twin watch --under hall-3 --every 1s --kinds updated\n"
                  "  gemel twin watch --where \"changed(status) and old.status = 'idle'\"\n"
                  "  gemel twin watch --parent hall-3 --json --count 10");
  command->callback([&context, what] {
    context.action = [&context, what] { return run_watch(context, *what); };
  });
}

} // namespace gemel
