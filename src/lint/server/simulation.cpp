// Files as one trial, so that what a statement makes is known to the next.

#include <algorithm>

#include "parts.hpp"
#include "pgeist/core/identifier.hpp"
#include "pgeist/ddl/lexer.hpp"
#include "pgeist/probe/static_effects.hpp"
#include "pgeist/probe/trial.hpp"

namespace pgeist::lint {

namespace {

using ddl::statement_kind;
using session_settings = std::vector<std::pair<std::string, std::string>>;

/// Where an answer belongs.
struct slot {
    std::size_t file = 0;
    std::size_t step = 0;
    bool twin = false;  ///< CONCURRENTLY is left out
};

/// Statements that are tried together: the same settings count for all of them.
struct batch {
    session_settings settings;
    std::vector<slot> slots;
    std::vector<std::string> statements;
};

/// Neither makes nor changes anything that a later definition could need.
bool changes_nothing(const ddl::statement& what) {
    switch (what.kind) {
        case statement_kind::insert:
        case statement_kind::update:
        case statement_kind::remove:
        case statement_kind::merge:
        case statement_kind::copy:
        case statement_kind::begin:
        case statement_kind::commit:
        case statement_kind::rollback:
        case statement_kind::savepoint:
        case statement_kind::release:
        case statement_kind::rollback_to:
        case statement_kind::set:
        case statement_kind::reset:
        case statement_kind::vacuum:
        case statement_kind::analyze:
        case statement_kind::refresh:
        case statement_kind::grant:
        case statement_kind::repack:
        case statement_kind::meta_command:
            return true;
        case statement_kind::reindex:
            return what.concurrently;
        case statement_kind::select:
            return std::all_of(what.functions.begin(), what.functions.end(), probe::is_own_function);
        default:
            return false;
    }
}

/// The statement without CONCURRENTLY: what is wrong with the plain one is wrong with it.
std::string plain_twin(const ddl::statement& what) {
    std::string text;
    std::size_t done = 0;
    for (const ddl::token& each : ddl::tokens_of(what.text)) {
        if (each.is("concurrently")) {
            text += what.text.substr(done, each.begin - done);
            done = each.end;
            break;
        }
    }
    return text + what.text.substr(done);
}

bool has_twin(const ddl::statement& what) {
    return what.concurrently && (what.kind == statement_kind::create_index ||
                                 (what.kind == statement_kind::drop && what.object == ddl::object_kind::index));
}

/// What the file's SETs make of the session, as far as definitions depend on it.
class following {
public:
    void begin_file() {
        session_.clear();
        local_.clear();
    }

    void see(const ddl::step& step) {
        if (step.transaction != transaction_) {
            transaction_ = step.transaction;
            local_.clear();
        }
        const ddl::statement& what = step.what;
        if (what.kind == statement_kind::set && matters(what.name)) {
            put(what.local ? local_ : session_, what.name, value_of(what));
        } else if (what.kind == statement_kind::reset) {
            std::erase_if(session_, [&](const auto& each) { return what.name.empty() || each.first == what.name; });
        }
    }

    [[nodiscard]] session_settings now() const {
        session_settings all = session_;
        for (const auto& [name, value] : local_) {
            put(all, name, value);
        }
        return all;
    }

private:
    static bool matters(const std::string& name) { return name == "search_path" || name == "timezone"; }

    static std::string value_of(const ddl::statement& what) {
        if (what.name != "search_path") {
            return what.value;
        }
        std::string path;
        for (const std::string& each : what.names) {
            path += (path.empty() ? "" : ", ") + quote_identifier(each);
        }
        return path;
    }

    static void put(session_settings& into, const std::string& name, const std::string& value) {
        std::erase_if(into, [&](const auto& each) { return each.first == name; });
        into.emplace_back(name, value);
    }

    session_settings session_;
    session_settings local_;
    std::size_t transaction_ = 0;
};

std::vector<batch> batches_of(const std::vector<source>& files, const std::vector<ddl::migration>& migrations,
                              std::size_t first, std::size_t last) {
    std::vector<batch> all;
    for (std::size_t file = first; file < last; ++file) {
        following session;
        session.begin_file();
        const auto& steps = migrations[file].steps;
        for (std::size_t step = 0; step < steps.size(); ++step) {
            session.see(steps[step]);
            if ((steps[step].down && !files[file].named) || changes_nothing(steps[step].what)) {
                continue;
            }
            const session_settings now = session.now();
            if (all.empty() || all.back().settings != now) {
                all.push_back(batch{now, {}, {}});
            }
            const ddl::statement& what = steps[step].what;
            all.back().slots.push_back(slot{file, step, has_twin(what)});
            all.back().statements.push_back(has_twin(what) ? plain_twin(what) : what.text);
        }
    }
    return all;
}

/// `after_others`: what it lacks may have been made in a batch before.
void take(const batch& from, const std::vector<probe::trial_answer>& found, bool after_others, answers& into) {
    for (std::size_t at = 0; at < found.size(); ++at) {
        const slot& place = from.slots[at];
        answer& said = into.of_files[place.file][place.step];
        const probe::trial_answer& each = found[at];
        const bool unknown = after_others && each.found.fails && each.found.fails->sqlstate.starts_with("42");
        if (!each.tried || unknown) {
            said.why_not = each.tried ? "it may need what is made under other settings" : each.why_not;
        } else if (place.twin) {
            said.fails = each.found.fails;
            said.why_not = "CONCURRENTLY cannot be tried in a transaction";
        } else {
            said.tried = each.found;
            said.locked_before = each.locked_before;
        }
    }
}

bool none_tried(const std::vector<probe::trial_answer>& found) {
    return std::none_of(found.begin(), found.end(), [](const probe::trial_answer& each) { return each.tried; });
}

bool could_be_tried(const batch& what, const std::vector<probe::trial_answer>& found) {
    // Without a reason of its own each has the same one: together they are too much, or one spoils it for all.
    const auto& first = found.front().why_not;
    return what.statements.size() > 1 && std::all_of(found.begin(), found.end(), [&](const probe::trial_answer& each) {
               return each.why_not == first;
           });
}

batch part_of(const batch& whole, std::size_t begin, std::size_t end) {
    batch part;
    part.settings = whole.settings;
    for (std::size_t at = begin; at < end; ++at) {
        part.slots.push_back(whole.slots[at]);
        part.statements.push_back(whole.statements[at]);
    }
    return part;
}

awaitable<void> try_batch(pg::connection& session, batch what, bool after_others, answers& into) {
    std::vector<batch> left{std::move(what)};
    while (!left.empty()) {
        batch next = std::move(left.back());
        left.pop_back();
        probe::trial_options options;
        options.settings = next.settings;
        options.most_relations = 500;
        const auto found = co_await probe::try_statements(session, next.statements, options);
        const auto hopeless = std::find_if(found.begin(), found.end(), [](const auto& each) { return each.hopeless; });
        if (hopeless != found.end()) {
            into.server.nothing_tried = hopeless->why_not;
            co_return;
        }
        const bool halve = none_tried(found) && could_be_tried(next, found);
        if (!halve) {
            take(next, found, after_others, into);
            after_others = true;
            continue;
        }
        const std::size_t middle = next.statements.size() / 2;
        left.push_back(part_of(next, middle, next.statements.size()));
        left.push_back(part_of(next, 0, middle));
    }
}

}  // namespace

awaitable<void> simulate(pg::connection& session, const std::vector<source>& files,
                         const std::vector<ddl::migration>& migrations, std::size_t first, std::size_t last,
                         answers& into) {
    const std::vector<batch> batches = batches_of(files, migrations, first, last);
    bool after_others = false;
    for (const batch& each : batches) {
        if (!into.server.nothing_tried.empty()) {
            co_return;
        }
        co_await try_batch(session, each, after_others, into);
        after_others = true;
    }
}

}  // namespace pgeist::lint
