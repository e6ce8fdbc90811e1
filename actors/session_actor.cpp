#include "actors/session_actor.hpp"

#include "actors/courier.hpp"
#include "messages/requests.hpp"

namespace gemel {

namespace {

frame refuse(errc code, const char* why) {
  return make_error_reply({code, why});
}

// The core of a session: its open requests and subscriptions.
class session_state {
public:
  session_state(caf::event_based_actor* self, door_context* context, caf::actor sink)
      : self_{self}, context_{context}, sink_{std::move(sink)} {
    context_->sessions.fetch_add(1, std::memory_order_relaxed);
  }
  ~session_state() { context_->sessions.fetch_sub(1, std::memory_order_relaxed); }
  session_state(const session_state&) = delete;
  session_state& operator=(const session_state&) = delete;

  caf::result<frame> request(const frame& asked);
  void answer(std::uint64_t number, frame content);
  void events(frame batch) { self_->send(sink_, event_atom::value, std::move(batch)); }
  void close();

private:
  void submit(const frame& asked, reply_function reply);
  std::uint64_t owner() const { return self_->id(); }

  caf::event_based_actor* self_;
  door_context* context_;
  caf::actor sink_;
  std::uint64_t last_request_ = 0;
  std::map<std::uint64_t, caf::typed_response_promise<frame>> waiting_;
  std::set<std::uint64_t> subscriptions_;
};

caf::result<frame> session_state::request(const frame& asked) {
  auto promise = self_->make_response_promise<frame>();
  if (!asked) {
    promise.deliver(refuse(errc::bad_frame, "an empty frame"));
    return promise;
  }
  if (asked.message().isReply()) { // What a damaged frame became on its way in.
    promise.deliver(asked);
    return promise;
  }
  if (asked.size() > context_->frame_bytes_max) {
    promise.deliver(refuse(errc::limit_reached, "limits.frame_bytes_max"));
    return promise;
  }
  if (waiting_.size() >= context_->requests_max) {
    // How soon one of them is answered, nobody knows; a millisecond is about a turn of all cells.
    promise.deliver(
        make_error_reply({errc::overloaded, "this session has too many requests under way", 1}));
    return promise;
  }
  auto number = ++last_request_;
  waiting_.emplace(number, promise);
  // Answers come from cells' threads; they are delivered in this actor's own turn.
  reply_function reply = [to = caf::actor{self_}, number](frame content) {
    courier::post(to, answer_atom::value, number, std::move(content));
  };
  submit(asked, std::move(reply));
  return promise;
}

void session_state::submit(const frame& asked, reply_function reply) {
  auto message = asked.message();
  if (message.isSubscribe()) {
    auto deliver = [to = caf::actor{self_}](frame batch) {
      courier::post(to, event_atom::value, std::move(batch));
    };
    return context_->in.subscribe(asked, {owner(), std::move(deliver)}, reply);
  }
  if (message.isGrant()) {
    auto grant = message.getGrant();
    context_->in.grant(grant.getSubscription(), grant.getCredit(), owner());
    return reply(make_done_reply());
  }
  if (message.isUnsubscribe())
    subscriptions_.erase(message.getUnsubscribe());
  context_->in.submit(asked, std::move(reply));
}

void session_state::answer(std::uint64_t number, frame content) {
  auto reply = content.message().getReply();
  if (reply.isSubscribed())
    subscriptions_.insert(reply.getSubscribed());
  auto i = waiting_.find(number);
  if (i == waiting_.end())
    return;
  i->second.deliver(std::move(content));
  waiting_.erase(i);
}

void session_state::close() {
  context_->in.detach({subscriptions_.begin(), subscriptions_.end()}, owner());
  subscriptions_.clear();
}

} // namespace

caf::behavior session_actor(caf::event_based_actor* self, door_context* context, caf::actor sink) {
  ignore_unknown(self);
  self->monitor(sink);
  auto state = std::make_shared<session_state>(self, context, std::move(sink));
  auto end = [self, state] {
    state->close();
    self->quit();
  };
  self->set_down_handler([end](caf::down_msg&) { end(); });
  return {
      [state](const frame& asked) { return state->request(asked); },
      [state](answer_atom, std::uint64_t number, frame& content) {
        state->answer(number, std::move(content));
      },
      [state](event_atom, frame& batch) { state->events(std::move(batch)); },
      [end](close_atom) { end(); },
  };
}

namespace {

// The core of a door: the sessions it opened that have not ended yet.
class door_state {
public:
  door_state(caf::event_based_actor* self, door_context* context)
      : self_{self}, context_{context} {}

  caf::result<frame, caf::actor> open(const frame& hello, const caf::actor& sink);
  void ended(const caf::actor_addr& session);
  void sweep();
  void close();

private:
  caf::event_based_actor* self_;
  door_context* context_;
  std::map<caf::actor_addr, caf::actor> sessions_;
  bool closing_ = false;
  bool sweeping_ = false;
};

caf::result<frame, caf::actor> door_state::open(const frame& hello, const caf::actor& sink) {
  auto refused = [](const frame& why) { return caf::result<frame, caf::actor>{why, caf::actor{}}; };
  if (hello && hello.message().isReply()) // What a damaged frame became on its way in.
    return refused(hello);
  if (!hello || !hello.message().isHello() || !sink)
    return refused(refuse(errc::bad_frame, "a hello was expected"));
  if (closing_)
    return refused(refuse(errc::stopping, "the node is stopping"));
  frame welcome;
  context_->in.submit(hello, [&](frame answer) { welcome = std::move(answer); });
  if (!welcome.message().getReply().isWelcome())
    return refused(welcome);
  if (sessions_.size() >= context_->sessions_max)
    return refused(refuse(errc::limit_reached, "limits.sessions_max"));
  auto session = self_->spawn(session_actor, context_, sink);
  self_->monitor(session);
  sessions_.emplace(session.address(), session);
  return {welcome, session};
}

void door_state::ended(const caf::actor_addr& session) {
  sessions_.erase(session);
  if (!sweeping_)
    sweep();
  if (closing_ && sessions_.empty())
    self_->quit();
}

// Again and again while subscriptions of links that broke wait to be resumed.
void door_state::sweep() {
  constexpr std::chrono::seconds pause{1};
  sweeping_ = context_->in.sweep() > 0;
  if (sweeping_)
    self_->delayed_send(self_, pause, sweep_atom::value);
}

void door_state::close() {
  closing_ = true;
  for (const auto& [address, session] : sessions_)
    self_->send(session, close_atom::value);
  if (sessions_.empty())
    self_->quit();
}

} // namespace

caf::behavior door_actor(caf::event_based_actor* self, door_context* context) {
  ignore_unknown(self);
  auto state = std::make_shared<door_state>(self, context);
  self->set_down_handler([state](caf::down_msg& down) { state->ended(down.source); });
  return {
      [state](const frame& hello, const caf::actor& sink) { return state->open(hello, sink); },
      [state](sweep_atom) { state->sweep(); },
      [state](close_atom) { state->close(); },
  };
}

caf::behavior subscriber_actor(caf::event_based_actor* self, ingress* in,
                               std::function<void(const frame&)> callback) {
  ignore_unknown(self);
  return {
      [in, callback = std::move(callback)](event_atom, const frame& batch) {
        callback(batch);
        auto events = batch.message().getEvents();
        if (events.getEvents().size() > 0)
          in->grant(events.getSubscription(), events.getEvents().size());
      },
      [self](close_atom) { self->quit(); },
  };
}

} // namespace gemel
