#include "runtime/program/import.hpp"

#include "runtime/adapters/files.hpp"
#include "runtime/adapters/terminal.hpp"
#include "runtime/check.hpp"
#include "runtime/program/display.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/program/units.hpp"
#include "runtime/twin_document.hpp"

#include <algorithm>

namespace gemel {

namespace {

constexpr std::size_t batch_twins_max = 1'024;
constexpr std::size_t batch_bytes_max = 1u << 20;

std::size_t frame_bytes_of(const value& content) {
  // A list's element or map's member takes 24 to 40 bytes and at least two characters as JSON.
  constexpr std::size_t bytes_per_character = 20;
  auto inside = content.heap_bytes();
  if (content.is_list() || content.is_map())
    inside = to_json(content).size() * bytes_per_character;
  return 48 + inside;
}

} // namespace

std::size_t frame_bytes_of(const new_twin& twin) {
  auto bytes = 128 + twin.id.size() + twin.type.size() + twin.parent.size() + twin.placement.size();
  for (const auto& one : twin.properties)
    bytes += 16 + one.key.size() + frame_bytes_of(one.content);
  return bytes;
}

namespace {

// Reads the twins of a file, in either form.
class twin_reader {
public:
  using fault_sink = std::function<void(fault_list)>;

  twin_reader(std::string path, twin_sink take, fault_sink complain)
      : path_{std::move(path)}, name_{path_ == "-" ? "standard input" : path_},
        take_{std::move(take)}, complain_{std::move(complain)} {}

  // Errors are of reading the file itself.
  result<void> read() {
    if (path_.ends_with(".json"))
      return read_document();
    auto next = [this](std::string_view line, std::size_t number) {
      return take_line(line, number);
    };
    if (auto read = read_lines(path_, twin_line_bytes_max, next); !read)
      return read;
    if (too_large_)
      return fail(errc::limit_reached,
                  name_ + " has more than " + std::to_string(document_bytes_max) + " bytes");
    if (form_ == form::document)
      complain_(read_twin_document(text_, name_, take_));
    return {};
  }

private:
  enum class form { unknown, lines, document };

  result<void> read_document() {
    auto text = read_file(path_, document_bytes_max);
    if (!text)
      return tl::unexpected<error>(std::move(text.error()));
    complain_(read_twin_document(*text, name_, take_));
    return {};
  }

  // The first line that is not blank tells lines from a document that only begins there.
  void find_form(std::string_view line) {
    bool is_blank = line.find_first_not_of(" \t\r") == std::string_view::npos;
    if (form_ != form::unknown || is_blank)
      return;
    auto content = value_from_json(line);
    bool is_named_lines = path_.ends_with(".jsonl") || path_.ends_with(".ndjson");
    form_ = is_named_lines || (content && content->is_map()) ? form::lines : form::document;
  }

  bool take_line(std::string_view line, std::size_t number) {
    find_form(line);
    if (form_ == form::lines) {
      complain_(read_twin_line(line, number, name_, take_));
      return true;
    }
    too_large_ = text_.size() + line.size() >= document_bytes_max;
    if (!too_large_)
      text_.append(line).append("\n");
    return !too_large_;
  }

  std::string path_;
  std::string name_;
  twin_sink take_;
  fault_sink complain_;
  form form_ = form::unknown;
  std::string text_; // of a document
  bool too_large_ = false;
};

// Collects faults: prints them, or keeps them for the JSON report.
class fault_report {
public:
  explicit fault_report(const program_context& context) : context_{context} {}

  void add(fault found) {
    ++count_;
    if (!context_.json && count_ <= faults_max)
      context_.console.err(clear_progress() + printable(to_string(found)) + '\n');
    add_fault(kept_, std::move(found));
  }
  void add_all(fault_list found) {
    for (auto& one : found)
      add(std::move(one));
  }
  std::uint64_t count() const noexcept { return count_; }
  const fault_list& kept() const noexcept { return kept_; }
  void close() {
    if (!context_.json && count_ > faults_max)
      context_.console.err("gemel: and " + grouped(count_ - faults_max) + " more\n");
  }

private:
  std::string clear_progress() const {
    return context_.console.err_is_terminal() ? "\r\x1b[K" : "";
  }

  const program_context& context_;
  std::uint64_t count_ = 0;
  fault_list kept_;
};

// Sends twins in batches.
class batch_sender {
public:
  batch_sender(const program_context& context, client& link, fault_report& report, std::string file)
      : context_{context}, link_{link}, report_{report}, file_{std::move(file)} {}

  void add(new_twin twin, text_place where) {
    if (broken_)
      return;
    bytes_ += frame_bytes_of(twin);
    twins_.push_back(std::move(twin));
    places_.push_back(where);
    if (twins_.size() >= batch_twins_max || bytes_ >= batch_bytes_max)
      send();
  }

  // Sends what is left.
  void send() {
    if (twins_.empty() || broken_)
      return;
    auto answer = link_.create(twins_);
    if (answer)
      note(*answer);
    else
      broken_ = std::move(answer.error());
    twins_.clear();
    places_.clear();
    bytes_ = 0;
    if (context_.console.err_is_terminal())
      context_.console.err("\r\x1b[Kcreated " + grouped(created_) + " twins");
  }

  void end_progress() const {
    if (context_.console.err_is_terminal() && created_ + refused_ > 0)
      context_.console.err("\r\x1b[K");
  }
  std::uint64_t created() const noexcept { return created_; }
  std::uint64_t refused() const noexcept { return refused_; }
  const std::optional<error>& broken() const noexcept { return broken_; }

private:
  void note(const outcome& what) {
    created_ += what.applied;
    refused_ += what.failures.size();
    for (const auto& one : what.failures) {
      auto place = one.index < places_.size() ? places_[one.index] : text_place{0, 0};
      auto message = std::string{to_string(one.why.code)} + ": " + one.why.context;
      report_.add({.code = one.why.code,
                   .file = file_,
                   .line = place.line,
                   .column = place.column,
                   .message = std::move(message)});
    }
  }

  const program_context& context_;
  client& link_;
  fault_report& report_;
  std::string file_;
  std::vector<new_twin> twins_;
  std::vector<text_place> places_; // of each twin
  std::size_t bytes_ = 0;
  std::uint64_t created_ = 0;
  std::uint64_t refused_ = 0;
  std::optional<error> broken_; // of the link: nothing more can be sent
};

void print_summary(const program_context& context, std::uint64_t created,
                   const fault_report& report) {
  if (!context.json) {
    context.console.out("created " + grouped(created) + (created == 1 ? " twin" : " twins")
                        + (report.count() > 0 ? ", " + grouped(report.count()) + " refused" : "")
                        + "\n");
    return;
  }
  context.console.out(json_object{}
                          .add("created", created)
                          .add("refused", report.count())
                          .add_json("faults", faults_json(report.kept()))
                          .text()
                      + "\n");
}

// All that is wrong with the file; nothing is sent.
result<void> check_first(const std::string& path, fault_report& report) {
  twin_reader reader{path, [](const new_twin&, text_place) {},
                     [&](fault_list found) { report.add_all(std::move(found)); }};
  return reader.read();
}

int send_all(const program_context& context, const std::string& path, fault_report& report) {
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  batch_sender sender{context, **link, report, path == "-" ? "standard input" : path};
  twin_reader reader{path, [&](new_twin twin, text_place at) { sender.add(std::move(twin), at); },
                     [&](fault_list found) { report.add_all(std::move(found)); }};
  auto read = reader.read();
  sender.send();
  sender.end_progress();
  report.close();
  print_summary(context, sender.created(), report);
  if (sender.broken())
    return std::max(exit_failed, refuse(context, *sender.broken()));
  if (!read)
    refuse(context, read.error());
  return !read || report.count() > sender.refused() ? exit_usage
         : sender.refused() > 0                     ? exit_failed
                                                    : exit_ok;
}

} // namespace

int import_twins(const program_context& context, const std::string& path) {
  fault_report report{context};
  if (is_regular_file(path)) {
    if (auto read = check_first(path, report); !read) {
      refuse(context, read.error());
      return exit_usage;
    }
    if (report.count() > 0) {
      report.close();
      print_summary(context, 0, report);
      return exit_usage;
    }
  }
  return send_all(context, path, report);
}

} // namespace gemel
