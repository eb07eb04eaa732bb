#pragma once

#include <memory>
#include <string>
#include <vector>

#include "e2e/three_tables.hpp"
#include "support/json_lines.hpp"

namespace pgeist::test {

/// The three tables with a cycle (deferrable) and a reference of one to itself. Keys are texts that look like UUIDs.
class group_test : public three_tables {
protected:
    /// `rows` persons, with one order and two items each.
    void make_tables(int rows) {
        sql().execute(
            "CREATE FUNCTION public.k(kind int, n int) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT "
            "lpad(kind::text, 8, '0') || '-0000-4000-8000-' || lpad(n::text, 12, '0') $$;"
            "CREATE TABLE public.person (id text PRIMARY KEY, boss text REFERENCES public.person, favourite text, "
            "balance int NOT NULL DEFAULT 100);"
            "CREATE TABLE public.orders (id text PRIMARY KEY, person text NOT NULL, note text,"
            " CONSTRAINT of_person FOREIGN KEY (person) REFERENCES public.person ON DELETE CASCADE);"
            "CREATE TABLE public.item (id text PRIMARY KEY, orders text, person text, n int,"
            " CONSTRAINT of_order FOREIGN KEY (orders) REFERENCES public.orders ON DELETE CASCADE ON UPDATE CASCADE);"
            "ALTER TABLE public.item ADD CONSTRAINT of_person FOREIGN KEY (person) REFERENCES public.person "
            "ON DELETE SET NULL NOT VALID;"
            "COMMENT ON CONSTRAINT of_order ON public.item IS 'an item is of an order';"
            "CREATE INDEX ON public.orders (person); CREATE INDEX ON public.item (orders); CREATE INDEX ON public.item "
            "(person);");
        const std::string n = std::to_string(rows);
        sql().execute(
            "INSERT INTO public.person SELECT k(1, i), CASE WHEN i > 1 THEN k(1, i - 1) END FROM "
            "generate_series(1, " +
            n +
            ") AS i;"
            "INSERT INTO public.orders SELECT k(2, i), k(1, i), 'note ' || i FROM generate_series(1, " +
            n +
            ") AS i;"
            "INSERT INTO public.item SELECT k(3, i), k(2, (i + 1) / 2), k(1, (i + 1) / 2), i FROM "
            "generate_series(1, 2 * " +
            n +
            ") AS i;"
            "UPDATE public.person SET favourite = replace(id, '00000001-', '00000002-');"
            "ALTER TABLE public.person ADD CONSTRAINT favourite FOREIGN KEY (favourite) REFERENCES "
            "public.orders ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED; ANALYZE");
    }

    /// All keys, and what refers to them, become uuid.
    static std::vector<std::string> to_uuid() {
        return {"--table",
                "public.person",
                "--alter",
                "ALTER COLUMN id TYPE uuid USING id::uuid, ALTER COLUMN boss TYPE uuid USING boss::uuid, "
                "ALTER COLUMN favourite TYPE uuid USING favourite::uuid",
                "--table",
                "public.orders",
                "--alter",
                "ALTER COLUMN id TYPE uuid USING id::uuid, ALTER COLUMN person TYPE uuid USING person::uuid",
                "--table",
                "public.item",
                "--alter",
                "ALTER COLUMN orders TYPE uuid USING orders::uuid, ALTER COLUMN person TYPE uuid USING "
                "person::uuid"};
    }

    /// `pgeist run` of that.
    static std::vector<std::string> arguments(std::vector<std::string> more) {
        std::vector<std::string> all{"run", "--output", "json"};
        const auto tables = to_uuid();
        all.insert(all.end(), tables.begin(), tables.end());
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }

    run_result run_group(std::vector<std::string> more = {}) {
        return run_pgeist(db().uri(), arguments(std::move(more)));
    }

    std::unique_ptr<pgeist_process> start_group(std::vector<std::string> more = {}) {
        return std::unique_ptr<pgeist_process>(new pgeist_process(db().uri(), arguments(std::move(more))));
    }

    std::string types() {
        return sql().scalar(
            "SELECT string_agg(format_type(atttypid, atttypmod), ' ' ORDER BY attrelid::regclass::text, attnum) FROM "
            "pg_attribute WHERE attrelid IN ('public.person'::regclass, 'public.orders'::regclass, "
            "'public.item'::regclass) AND attnum > 0 AND format_type(atttypid, atttypmod) IN ('uuid', 'text')");
    }

    static constexpr const char* all_uuid = "text uuid uuid uuid uuid text uuid uuid uuid";
};

}  // namespace pgeist::test
