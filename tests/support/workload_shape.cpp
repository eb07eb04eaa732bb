#include "support/workload_shape.hpp"

#include <array>

namespace pgeist::test {
namespace {

constexpr const char* value_columns =
    "note text, amount numeric, ratio double precision, span interval, payload jsonb, code int UNIQUE";

// Values whose equality hides differences: a comparison that is not byte-exact does not see them change.
field make_value(random_engine& random, const std::string& column, long long rows) {
    if (chance(random, 15)) {
        return std::nullopt;
    }
    if (column == "code") {
        return std::to_string(pick(random, 0, rows * 20));
    }
    if (column == "amount") {
        static const std::array forms{"1", "1.0", "1.00", "0", "-7.50", "NaN"};
        return forms.at(static_cast<std::size_t>(pick(random, 0, forms.size() - 1)));
    }
    if (column == "ratio") {
        static const std::array forms{"0", "-0", "0.1", "1e308", "NaN", "-Infinity"};
        return forms.at(static_cast<std::size_t>(pick(random, 0, forms.size() - 1)));
    }
    if (column == "span") {
        static const std::array forms{"1 day", "24 hours", "1 mon", "30 days"};
        return forms.at(static_cast<std::size_t>(pick(random, 0, forms.size() - 1)));
    }
    if (column == "payload") {
        return R"({"n": )" + std::to_string(pick(random, 0, 1000)) + "}";
    }
    return "note " + std::to_string(pick(random, 0, 1'000'000'000));
}

long long key_number(random_engine& random, long long rows) {
    constexpr long long hot_keys = 300;
    return chance(random, 30) ? pick(random, 1, hot_keys) : pick(random, 1, rows * 3 / 2);
}

workload_shape shape_with(const std::vector<std::string>& keys, const std::string& key_columns,
                          const std::string& key_expressions, long long rows) {
    workload_shape shape;
    shape.table = "public.t";
    shape.twin = "public.twin";
    shape.keys = keys;
    shape.values = {"note", "amount", "ratio", "span", "payload", "code"};
    shape.unique_value = "code";
    shape.make_value = [rows](random_engine& random, const std::string& column) {
        return make_value(random, column, rows);
    };
    shape.create = "CREATE TABLE public.t (" + key_columns + ", " + value_columns + ", PRIMARY KEY (" + joined(keys) +
                   "));\n"
                   "CREATE INDEX t_note ON public.t (note);\n"
                   "CREATE INDEX t_amount ON public.t (amount) WHERE amount > 0;\n"
                   "INSERT INTO public.t SELECT " +
                   key_expressions +
                   ", 'first ' || i, i / 8.0, i / 3.0, i * interval '1 hour', jsonb_build_object('n', i), i * 20 "
                   "FROM generate_series(1, " +
                   std::to_string(rows) +
                   ") AS i;\n"
                   "CREATE TABLE public.twin (LIKE public.t);\n"
                   "ALTER TABLE public.twin ADD PRIMARY KEY (" +
                   joined(keys) +
                   ");\n"
                   "INSERT INTO public.twin SELECT * FROM public.t;\n"
                   "ANALYZE public.t, public.twin";
    return shape;
}

}  // namespace

long long pick(random_engine& random, long long low, long long high) {
    return std::uniform_int_distribution<long long>(low, high)(random);
}

bool chance(random_engine& random, int percent) { return pick(random, 1, 100) <= percent; }

std::string joined(const std::vector<std::string>& parts, const std::string& separator) {
    std::string text;
    for (const std::string& part : parts) {
        text += (text.empty() ? "" : separator) + part;
    }
    return text;
}

std::vector<std::string> workload_shape::columns() const {
    std::vector<std::string> all = keys;
    all.insert(all.end(), values.begin(), values.end());
    return all;
}

workload_shape integer_key_shape(long long rows) {
    workload_shape shape = shape_with({"id"}, "id int", "i", rows);
    shape.make_key = [rows](random_engine& random) {
        return std::vector<field>{std::to_string(key_number(random, rows))};
    };
    return shape;
}

workload_shape composite_key_shape(long long rows) {
    workload_shape shape = shape_with({"tenant", "name"}, "tenant int, name text", "i % 7, 'k' || i", rows);
    shape.make_key = [rows](random_engine& random) {
        const long long number = key_number(random, rows);
        return std::vector<field>{std::to_string(number % 7), "k" + std::to_string(number)};
    };
    return shape;
}

workload_shape text_key_shape(long long rows) {
    workload_shape shape =
        shape_with({"word"}, "word text", "(ARRAY['Äpfel', 'apple', 'Zebra', 'été', 'o''hara'])[i % 5 + 1] || i", rows);
    shape.make_key = [rows](random_engine& random) {
        static const std::array words{"Äpfel", "apple", "Zebra", "été", "o'hara"};
        const long long number = key_number(random, rows);
        return std::vector<field>{words.at(static_cast<std::size_t>(number % 5)) + std::to_string(number)};
    };
    return shape;
}

}  // namespace pgeist::test
