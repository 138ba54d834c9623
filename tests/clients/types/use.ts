// Both modules give the same types through the helpers, and supabase-js takes ours.
import { createClient } from "@supabase/supabase-js"
import type * as ours from "./ours"
import type * as theirs from "./theirs"

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
type All<T extends true[]> = T

export type Checks = All<
  [
    Same<ours.Tables<"plain">["id"], number>,
    Same<keyof ours.Tables<"person">, keyof theirs.Tables<"person">>,
    Same<ours.Tables<"passport">, theirs.Tables<"passport">>,
    Same<ours.Tables<"totals">, theirs.Tables<"totals">>,
    Same<ours.Tables<{ schema: "v" }, "grouped">, theirs.Tables<{ schema: "v" }, "grouped">>,
    Same<ours.TablesInsert<"passport">, theirs.TablesInsert<"passport">>,
    Same<ours.TablesInsert<{ schema: "w" }, "t">, theirs.TablesInsert<{ schema: "w" }, "t">>,
    Same<ours.TablesUpdate<"passport">, theirs.TablesUpdate<"passport">>,
    Same<ours.TablesUpdate<{ schema: "w" }, "t">, theirs.TablesUpdate<{ schema: "w" }, "t">>,
    Same<ours.Enums<"mood">, theirs.Enums<"mood">>,
    Same<ours.Enums<{ schema: "other" }, "state">, "on" | "off">,
    Same<
      ours.CompositeTypes<{ schema: "other" }, "point3">,
      theirs.CompositeTypes<{ schema: "other" }, "point3">
    >,
    Same<(typeof ours.Constants)["public"], (typeof theirs.Constants)["public"]>,
  ]
>

const client = createClient<ours.Database>("http://localhost", "key")

export async function use(): Promise<string | null> {
  await client.from("passport").insert({ person_id: "1", number: "2" })
  // @ts-expect-error a column that the table does not have
  await client.from("passport").insert({ person_id: "1", number: "2", nope: 3 })
  const { data } = await client.from("person").select("name, passport(number)").single()
  const sum = await client.rpc("add", { a: 1 })
  const total: number | null = sum.data
  return data?.passport?.number ?? String(total)
}
