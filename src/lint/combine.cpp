// What the server has said of a statement, and what the rules say, made one.

#include "pgeist/probe/combine.hpp"
#include "rule.hpp"

namespace pgeist::lint {

probe::effect combined(const ddl::statement& what, probe::static_answer& by_rules, const answer* said,
                       const probe::schema& before, bool server_asked) {
    if (!server_asked) {
        return by_rules.whole;
    }
    probe::server_answer by_server;
    if (said != nullptr) {
        by_server.tried = said->tried;
        by_server.locked_before = said->locked_before;
        by_server.fails = said->fails;
    }
    return probe::combine(what, by_rules, by_server, before);
}

}  // namespace pgeist::lint
