#include "runtime/adapters/webhooks.hpp"

#include "runtime/adapters/file_stream.hpp"
#include "runtime/cloud_event.hpp"

#include <filesystem>

namespace gemel {

namespace {

constexpr int request_timeout = 408;
constexpr int too_early = 425;
constexpr int too_many_requests = 429;
constexpr int server_errors = 500;

post_outcome outcome_of(const result<http_reply>& reply, const std::string& url) {
  post_outcome made;
  if (!reply) {
    auto code = reply.error().code;
    made.how = tl::unexpected<error>(reply.error());
    made.is_final = code == errc::bad_value || code == errc::stopping;
    return made;
  }
  if (reply->good())
    return made;
  auto status = reply->status;
  made.how = fail(errc::io_failed, without_secret(url) + " answers " + std::to_string(status));
  made.is_final = status < server_errors && status != request_timeout && status != too_early
                  && status != too_many_requests;
  if (reply->retry_after)
    made.pause = *reply->retry_after;
  return made;
}

} // namespace

void webhooks::post(const rule_effect& what, std::function<void(post_outcome)> done) {
  http_request asked;
  asked.url = what.target;
  asked.headers = {{"Content-Type", "application/cloudevents+json; charset=utf-8"}};
  asked.body = cloud_event(what);
  client_.send(std::move(asked),
               [url = what.target, done = std::move(done)](const result<http_reply>& reply) {
                 done(outcome_of(reply, url));
               });
}

result<void> webhooks::bury(const std::string& line) {
  if (dead_letters_.empty())
    return {};
  std::lock_guard guard{mutex_};
  std::error_code absent;
  auto bytes = std::filesystem::file_size(dead_letters_, absent);
  if (!absent && bytes + line.size() > dead_bytes_max)
    return fail(errc::limit_reached, dead_letters_ + " has its most bytes");
  auto file = output_file::create(dead_letters_, true);
  if (!file)
    return tl::unexpected<error>(file.error());
  if (auto written = file->write(line + "\n"); !written)
    return written;
  return file->flush();
}

} // namespace gemel
