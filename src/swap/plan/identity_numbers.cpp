#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "pgeist/core/template.hpp"
#include "pgeist/swap/plan/steps.hpp"
#include "pgeist/templates.hpp"

// An identity's sequence is made anew with the table: what the old and the new one hand out after the swap.
namespace pgeist::swap {

namespace {

/// In parentheses: a cast binds more than a sign.
std::string number(std::int64_t value) { return fmt::format("({})::numeric", value); }

plan::statement fill(const build_context& at, const catalog::sequence& old, const catalog::sequence& next,
                     const std::string& new_name) {
    const qualified_name old_name{at.job_schema, old.name.name};
    const bool same_way = (old.increment > 0) == (next.increment > 0);
    const std::string body = fill_template(
        templates::identity_goes_on,
        {{"old", old_name.sql()},
         {"old_name", quote_literal(old_name.sql())},
         {"new_name", new_name},
         {"increment", number(next.increment)},
         {"most", number(next.increment > 0 ? next.maximum : next.minimum)},
         {"ratio", same_way ? fmt::format("ceil({} / {})", number(old.increment), number(next.increment)) : "0"},
         {"cache", number(old.cache)},
         {"upwards", old.increment > 0 ? "true" : "false"}});
    return {"sequence " + display_identifier(old.name.name), "DO " + quote_literal(body)};
}

}  // namespace

plan::statement go_on_with_numbers(const build_context& at, const catalog::sequence& old,
                                   const catalog::sequence& made) {
    const qualified_name new_name{at.source.name.schema, made.name.name};
    return fill(at, old, made, quote_literal(new_name.sql()));
}

plan::statement end_numbers(const build_context& at, const catalog::sequence& old) {
    return fill(at, old, old, "NULL");
}

plan::statement bring_numbers_back(const build_context& at, const catalog::sequence& made, const std::string& column,
                                   bool in_order) {
    const qualified_name home{at.source.name.schema, made.name.name};
    const bool upwards = made.increment > 0;
    const std::string most = in_order
                                 ? fmt::format("(SELECT pg_catalog.{}(t.{})::bigint FROM ONLY {} AS t)",
                                               upwards ? "max" : "min", quote_identifier(column), at.source.name.sql())
                                 : "NULL::bigint";
    const std::string body = fill_template(
        templates::identity_comes_back,
        {{"sequence", home.sql()},
         {"name", quote_literal(home.sql())},
         {"definition", fmt::format("AS {} MINVALUE {} MAXVALUE {} START WITH {} {}", made.type, made.minimum,
                                    made.maximum, made.start, made.cycle ? "CYCLE" : "NO CYCLE")},
         {"upwards", upwards ? "true" : "false"},
         {"most", most},
         {"lowest", fmt::format("{}::bigint", number(made.minimum))},
         {"highest", fmt::format("{}::bigint", number(made.maximum))}});
    return {"sequence " + display_identifier(made.name.name), "DO " + quote_literal(body)};
}

}  // namespace pgeist::swap
