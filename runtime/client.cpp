#include "runtime/client.hpp"

#include "actors/caf.hpp"
#include "runtime/adapters/machine.hpp"
#include "runtime/config.hpp"

#include <caf/io/middleman.hpp>

#include <algorithm>
#include <charconv>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

namespace gemel {

namespace {

struct place {
  std::string host;
  std::uint16_t port;
};

result<place> parse_endpoint(std::string_view text) {
  auto bad = [&] {
    return fail(errc::bad_value, "'" + std::string{text}
                                     + "' is no endpoint; expected host:port, for example "
                                       "127.0.0.1:7433 or [::1]:7433");
  };
  auto host = text;
  auto port_text = std::string_view{};
  if (text.starts_with('[')) {
    auto end = text.find(']');
    if (end == std::string_view::npos)
      return bad();
    host = text.substr(1, end - 1);
    port_text = text.substr(end + 1);
    if (!port_text.empty() && !port_text.starts_with(':'))
      return bad();
  } else if (auto colon = text.find(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port_text = text.substr(colon);
  }
  place made{std::string{host}, listen_section{}.port};
  if (!port_text.empty()) {
    port_text.remove_prefix(1);
    const auto* end = port_text.data() + port_text.size();
    auto [stop, failed] = std::from_chars(port_text.data(), end, made.port);
    if (failed != std::errc{} || stop != end || made.port == 0)
      return bad();
  }
  return made.host.empty() ? result<place>{bad()} : made;
}

// What the sink's actor and the calling threads share.
class session_table {
public:
  void subscribe(std::uint64_t number, event_callback callback) {
    std::lock_guard guard{mutex_};
    callbacks_.emplace(number, std::make_shared<event_callback>(std::move(callback)));
  }
  void unsubscribe(std::uint64_t number) {
    std::lock_guard guard{mutex_};
    callbacks_.erase(number);
    early_.erase(number);
  }
  /// Events may overtake the answer that names their subscription: these wait here.
  std::vector<frame> take_early(std::uint64_t number) {
    std::lock_guard guard{mutex_};
    auto i = early_.find(number);
    if (i == early_.end())
      return {};
    auto frames = std::move(i->second);
    early_.erase(i);
    return frames;
  }
  /// The callback to give `events` to; null when they were put aside or thrown away.
  std::shared_ptr<event_callback> find_or_keep(const frame& events) {
    // As many as there may be on their way without a grant.
    constexpr std::size_t early_max = limits::subscriber_backlog_max;
    auto number = events.message().getEvents().getSubscription();
    std::lock_guard guard{mutex_};
    if (auto i = callbacks_.find(number); i != callbacks_.end())
      return i->second;
    if (early_[number].size() < early_max)
      early_[number].push_back(events);
    return nullptr;
  }

  /// Keeps `reply` until its answer comes. Empty: the link is lost.
  std::optional<std::uint64_t> wait_for(reply_function& reply) {
    std::lock_guard guard{mutex_};
    if (is_lost_)
      return std::nullopt;
    waiting_.emplace(++last_request_, std::move(reply));
    return last_request_;
  }
  void answer(std::uint64_t number, frame content) {
    reply_function reply;
    {
      std::lock_guard guard{mutex_};
      auto i = waiting_.find(number);
      if (i == waiting_.end())
        return;
      reply = std::move(i->second);
      waiting_.erase(i);
    }
    reply(std::move(content));
  }

  void on_lost(std::function<void()> callback) {
    std::lock_guard guard{mutex_};
    when_lost_ = std::move(callback);
  }
  /// Answers everything that waits and everything to come with `unreachable`.
  void lost() {
    std::function<void()> call;
    std::map<std::uint64_t, reply_function> waiting;
    {
      std::lock_guard guard{mutex_};
      is_lost_ = true;
      call = std::exchange(when_lost_, nullptr);
      waiting.swap(waiting_);
    }
    for (auto& [number, reply] : waiting)
      reply(link_broke());
    if (call)
      call();
  }

  static frame link_broke() {
    return make_error_reply({errc::unreachable, "the link to the node broke"});
  }

private:
  std::mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<event_callback>> callbacks_;
  std::map<std::uint64_t, std::vector<frame>> early_;
  std::uint64_t last_request_ = 0;
  std::map<std::uint64_t, reply_function> waiting_;
  bool is_lost_ = false;
  std::function<void()> when_lost_;
};

void grant(const caf::actor& session, const event_batch& events) {
  if (events.size() > 0)
    caf::anon_send(session, make_grant(events.subscription(), events.size()));
}

// The program's end of a session. `(session)` tells it which one, `(answer_atom, n, frame)` has it
// send the n-th request.
caf::behavior sink_actor(caf::event_based_actor* self,
                         const std::shared_ptr<session_table>& shared) {
  ignore_unknown(self);
  auto session = std::make_shared<caf::actor>();
  self->set_down_handler([shared](caf::down_msg&) { shared->lost(); });
  return {
      [self, session](const caf::actor& opened) {
        *session = opened;
        self->monitor(opened);
      },
      [self, shared, session](answer_atom, std::uint64_t number, frame& asked) {
        self->request(*session, caf::infinite, std::move(asked))
            .then([shared, number](frame& answer) { shared->answer(number, std::move(answer)); },
                  [shared, number](const caf::error&) {
                    shared->answer(number, session_table::link_broke());
                  });
      },
      [shared, session](event_atom, const frame& events) {
        if (!events || !events.message().isEvents())
          return;
        if (auto callback = shared->find_or_keep(events)) {
          event_batch batch{events};
          (*callback)(batch);
          grant(*session, batch);
        }
      },
      [self, session](close_atom) {
        *session = nullptr;
        self->quit();
      },
  };
}

} // namespace

struct client::parts {
  explicit parts(const options& asked) : wanted{asked}, config{{1, true, false}}, system{config} {}
  ~parts() {
    if (sink)
      caf::anon_send(sink, close_atom::value);
  }

  result<void> open(const place& where);

  options wanted;
  caf_config config;
  caf::actor_system system;
  std::shared_ptr<session_table> shared = std::make_shared<session_table>();
  caf::actor sink;
  caf::actor session;
  std::string node;
};

result<void> client::parts::open(const place& where) {
  auto at = where.host + ":" + std::to_string(where.port);
  if (auto heard = probe_tcp(where.host, where.port, wanted.patience); !heard)
    return heard;
  auto door = system.middleman().remote_actor(where.host, where.port);
  if (!door)
    return fail(errc::incompatible, "what listens on " + at + " is no gemel node of this protocol ("
                                        + system.render(door.error()) + ")");
  sink = system.spawn(sink_actor, shared);
  caf::scoped_actor self{system};
  result<void> opened = fail(errc::unreachable, at);
  self->request(*door, wanted.patience, make_hello(wanted.program), sink)
      .receive(
          [&](const frame& welcome, const caf::actor& answered) {
            auto reply = welcome.message().getReply();
            if (reply.isWelcome() && answered) {
              node = text_of(reply.getWelcome().getNode());
              session = answered;
              opened = {};
            } else if (reply.isError()) {
              opened = tl::unexpected<error>(read_error(reply.getError()));
            }
          },
          [&](const caf::error& why) {
            opened = fail(errc::unreachable, at + ": " + system.render(why));
          });
  if (opened)
    caf::anon_send(sink, session);
  return opened;
}

client::client(std::unique_ptr<parts> made) : parts_{std::move(made)} {
}

client::~client() = default;

result<std::unique_ptr<client>> client::connect(std::string_view endpoint, const options& wanted) {
  auto where = parse_endpoint(endpoint);
  if (!where)
    return tl::unexpected<error>(std::move(where.error()));
  auto made = std::make_unique<parts>(wanted);
  if (auto opened = made->open(*where); !opened)
    return tl::unexpected<error>(std::move(opened.error()));
  return std::unique_ptr<client>{new client{std::move(made)}};
}

const std::string& client::node_id() const noexcept {
  return parts_->node;
}

void client::request(frame asked, reply_function reply) {
  if (auto number = parts_->shared->wait_for(reply))
    caf::anon_send(parts_->sink, answer_atom::value, *number, std::move(asked));
  else
    reply(session_table::link_broke());
}

result<subscription_id> client::subscribe(const subscription_request& asked,
                                          event_callback callback) {
  auto number = expect_subscribed(ask(make_subscribe(asked)));
  if (!number)
    return tl::unexpected<error>(std::move(number.error()));
  parts_->shared->subscribe(*number, std::move(callback));
  for (auto& events : parts_->shared->take_early(*number))
    caf::anon_send(parts_->sink, event_atom::value, std::move(events));
  return subscription_id{*number};
}

result<void> client::unsubscribe(subscription_id which) {
  auto number = static_cast<std::uint64_t>(which);
  auto answer = expect_done(ask(make_unsubscribe(number)));
  parts_->shared->unsubscribe(number);
  return answer;
}

void client::on_lost(std::function<void()> callback) {
  parts_->shared->on_lost(std::move(callback));
}

} // namespace gemel
