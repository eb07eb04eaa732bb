#include "e2e/random_condition.hpp"

namespace pgeist::test {
namespace {

/// A family of columns and literals that compare with each other.
struct family {
    std::vector<std::string> columns;
    std::vector<std::string> literals;  ///< of unknown type: the comparison decides
    std::string type;
    bool less;                     ///< there is an operator <
    std::vector<std::string> own;  ///< conditions that only this type has; "<" is one side's prefix, ">" the other's
};

const family& citext() {
    static const family made{
        {"c", "d", "mail"},
        {"'ANN'", "'n/a'", "'bob'", "'Zed'"},
        "citext",
        true,
        {"<c LIKE 'a%'", "<c ~ '^ANN$'", "<c !~~ >d::text", "replace(<c, 'ANN', 'x') = 'X'", "strpos(<c, 'N') = 2",
         "<tags @> ARRAY['ANN']::citext[]", "'ann' = ANY (<tags)", "<c <> ALL (>tags)", "<tags = ARRAY[>c, >d]",
         "<tags IS DISTINCT FROM ARRAY[>c]::citext[]", "nullif(<tags, ARRAY['ANN']::citext[]) IS NULL",
         "split_part(<c, 'N', 1) = 'A'", "<c = >d::text", "<c IS DISTINCT FROM >mail", "greatest(<c, >d) = >d",
         "array_position(<tags, 'ANN') = 1"}};
    return made;
}

const family& hstore() {
    static const family made{{"h", "g"},
                             {"'a=>1'", "''", "'b=>2, a=>1'"},
                             "hstore",
                             false,
                             {"<h ? 'a'", "<h @> >g", "<h -> 'a' = '1'", "(<h || >g) IS DISTINCT FROM <h",
                              "<h - 'a'::text = >g", "(<h -> 'a') IS DISTINCT FROM (>g -> 'a')"}};
    return made;
}

const family& ltree() {
    static const family made{{"l", "m"},
                             {"'top.a'", "'Top.A'", "'x'"},
                             "ltree",
                             true,
                             {"<l @> >m", "<l ~ 'top.*'", "subpath(<l, 0, 1) IS DISTINCT FROM >m", "<l || 'x' = >m",
                              "nlevel(<l) > 1", "ARRAY[<l] = ARRAY[>m]", "<l ? ARRAY['top.*', 'x']::lquery[]"}};
    return made;
}

std::string with_prefixes(const std::string& text, const condition_scope& scope) {
    std::string result;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char next = at + 1 < text.size() ? text[at + 1] : ' ';
        const bool column = next >= 'a' && next <= 'z';
        if (text[at] == '<' && column) {
            result += scope.left;
        } else if (text[at] == '>' && column) {
            result += scope.right;
        } else {
            result += text[at];
        }
    }
    return result;
}

const family& any_family(dice& chance) {
    static const std::vector<const family*> all{&citext(), &citext(), &hstore(), &ltree()};
    return *all[static_cast<std::size_t>(chance.below(4))];
}

/// Forms in which a comparison stands without an operator, or with one inside something else.
std::string compared(dice& chance, const condition_scope& scope) {
    const family& of = any_family(chance);
    const std::string x = scope.left + chance.of(of.columns);
    const std::string y = chance.one_in(2) ? scope.right + chance.of(of.columns) : chance.of(of.literals);
    // Rows of two types are left out: the server prints one operator for all of a row's columns.
    const std::string z = scope.left + chance.of(of.columns);
    const std::string literal = chance.of(of.literals);
    const std::string other = chance.of(of.literals);
    const int form = chance.below(scope.subqueries ? 16 : 12);
    switch (form == 6 && !of.less ? 0 : form == 8 && !of.less ? 1 : form) {
        case 0:
            return x + " IS DISTINCT FROM " + y;
        case 1:
            return x + " IS NOT DISTINCT FROM " + y + "::" + of.type;
        case 2:
            return "nullif(" + x + ", " + y + ") IS NULL";
        case 3:
            return "CASE " + x + " WHEN " + literal + " THEN true WHEN " + y + " THEN " + scope.left +
                   "n > 3 ELSE false END";
        case 4:
            return x + " IN (" + literal + ", " + other + ")";
        case 5:
            return "(" + x + ", " + z + ") = (" + y + ", " + x + ")";
        case 6:
            return "(" + x + ", " + z + ") < (" + y + ", " + literal + ")";
        case 7:
            return "ROW(" + x + ", " + scope.left + "l) IS DISTINCT FROM ROW(" + y + ", " + scope.right + "m)";
        case 8:
            return x + " BETWEEN SYMMETRIC " + literal + " AND " + y;
        case 9:
            return x + " NOT IN (" + literal + ", " + y + ")";
        case 10:
            return "coalesce(" + x + ", " + literal + ") = " + y;
        case 11:
            return with_prefixes(chance.of(of.own), scope);
        case 12:
            return x + " IN (SELECT u." + of.columns[0] + " FROM app.u)";
        case 13:
            return "(" + x + ", " + z + ") NOT IN (SELECT u." + of.columns[0] + ", u." + of.columns[1] +
                   " FROM app.u WHERE u." + of.columns[0] + " IS NOT NULL)";
        case 14:
            return x + " IN (VALUES (" + literal + "::" + of.type + "), (" + other + "))";
        default:
            return "EXISTS (SELECT FROM app.u WHERE u." + of.columns[0] + " IS NOT DISTINCT FROM " + x + ")";
    }
}

}  // namespace

std::string random_condition(dice& chance, const condition_scope& scope) {
    const std::string first = compared(chance, scope);
    if (!chance.one_in(3)) {
        return first;
    }
    // An OR that begins with an OR is another tree when the server reads what it prints: hence IS NOT TRUE.
    return "(" + first + ") " + (chance.one_in(2) ? "IS DISTINCT FROM" : "IS NOT TRUE OR") + " (" +
           compared(chance, scope) + ")";
}

std::string random_value(dice& chance, const condition_scope& scope) {
    const family& of = any_family(chance);
    const std::string x = scope.left + chance.of(of.columns);
    const std::string literal = chance.of(of.literals);
    switch (chance.below(4)) {
        case 0:
            return "nullif(" + x + ", " + literal + ")::text";
        case 1:
            return "CASE " + x + " WHEN " + literal + " THEN 'one' WHEN " + scope.right + chance.of(of.columns) +
                   " THEN 'two' ELSE 'other' END";
        case 2:
            return "(CASE WHEN " + random_condition(chance, scope) + " THEN 'yes' ELSE 'no' END)";
        default:
            return "(" + x + " IS NOT DISTINCT FROM " + scope.right + chance.of(of.columns) + ")::text";
    }
}

}  // namespace pgeist::test
