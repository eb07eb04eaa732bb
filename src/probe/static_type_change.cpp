#include <array>

#include "pgeist/probe/static_effects.hpp"

namespace pgeist::probe {

namespace {

using ddl::type_name;

/// The type's modifier; 0 where it has none.
std::int64_t limit(const type_name& type) { return type.modifiers.empty() ? 0 : type.modifiers.front(); }

bool widened(const type_name& from, const type_name& to) {
    return limit(to) == 0 || (limit(from) != 0 && limit(to) >= limit(from));
}

type_change free_of_work() {
    type_change made;
    made.rewrite = false;
    return made;
}

type_change with_indexes() {
    type_change made = free_of_work();
    made.indexes = true;
    return made;
}

bool is_text(const type_name& type) { return type.name == "text" || type.name == "varchar"; }

/// Changes within one type: only the modifier is another one.
type_change within(const type_name& from, const type_name& to) {
    type_change made;
    if (from.name == "varchar" || from.name == "varbit") {
        made.rewrite = !widened(from, to);
    } else if (from.name == "numeric") {
        const bool any = to.modifiers.empty();
        const auto scale = [](const type_name& type) { return type.modifiers.size() > 1 ? type.modifiers[1] : 0; };
        made.rewrite = !any && (from.modifiers.empty() || scale(from) != scale(to) || limit(to) < limit(from));
    } else if (from.name == "time" || from.name == "timetz" || from.name == "timestamp" || from.name == "timestamptz") {
        constexpr std::int64_t most = 6;
        const std::int64_t before = from.modifiers.empty() ? most : limit(from);
        made.rewrite = !(to.modifiers.empty() || limit(to) >= before || limit(to) >= most);
    } else if (from.name == "interval") {
        made.rewrite = !to.modifiers.empty();
    }
    made.may_fail = made.rewrite && (from.name == "varchar" || from.name == "varbit" || from.name == "numeric" ||
                                     from.name == "bpchar" || from.name == "bit");
    return made;
}

/// Binary-coercible pairs whose indexes have another operator class afterwards are rebuilt.
type_change between(const type_name& from, const type_name& to) {
    if (from.name == "varchar" && to.name == "text") {
        return free_of_work();
    }
    if (from.name == "text" && to.name == "varchar") {
        type_change made = free_of_work();
        made.rewrite = limit(to) != 0;
        made.may_fail = made.rewrite;
        return made;
    }
    struct pair {
        std::string_view from, to;
    };
    static constexpr std::array same_class{pair{"cidr", "inet"}};
    static constexpr std::array other_class{
        pair{"int4", "oid"},    pair{"oid", "int4"},       pair{"citext", "text"},
        pair{"text", "citext"}, pair{"citext", "varchar"}, pair{"varchar", "citext"},
        pair{"xml", "text"},    pair{"bit", "varbit"},     pair{"varbit", "bit"}};
    for (const pair& each : same_class) {
        if (from.name == each.from && to.name == each.to) {
            return free_of_work();
        }
    }
    for (const pair& each : other_class) {
        if (from.name == each.from && to.name == each.to && to.modifiers.empty()) {
            return with_indexes();
        }
    }
    type_change made;
    made.by_time_zone = (from.name == "timestamptz" && to.name == "timestamp") ||
                        (from.name == "timestamp" && to.name == "timestamptz");
    const bool to_less = (from.name == "int8" && (to.name == "int4" || to.name == "int2")) ||
                         (from.name == "int4" && to.name == "int2") || (is_text(from) && !is_text(to)) ||
                         (to.name == "varchar" && limit(to) != 0) || to.name == "bpchar";
    made.may_fail = to_less;
    return made;
}

}  // namespace

type_change judge_type_change(const std::optional<type_name>& from, const type_name& to, bool converted,
                              const schema& before) {
    if (converted || !from) {
        type_change made;
        made.known = converted;
        made.may_fail = converted;
        return made;
    }
    if (*from == to) {
        type_change made = free_of_work();
        made.nothing = true;
        return made;
    }
    const known_type* target = before.find_type(to);
    const known_type* source = before.find_type(*from);
    if (from->array || to.array) {
        return {};  // the elements' casts are not looked through
    }
    if (target != nullptr && target->what == known_type::kind::domain) {
        type_change made = target->base ? judge_type_change(from, *target->base, false, before) : type_change();
        made.rewrite = made.rewrite || target->constrained;
        made.nothing = false;
        return made;
    }
    if (source != nullptr && source->what == known_type::kind::domain && source->base) {
        type_change made = judge_type_change(source->base, to, false, before);
        made.nothing = false;
        return made;
    }
    return from->name == to.name && from->schema == to.schema ? within(*from, to) : between(*from, to);
}

}  // namespace pgeist::probe
