// Accounts and sessions through @supabase/supabase-js.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { anonClient, newEmail, newUser, ok, password } from './common.mjs'

test('signing up gives a session and a confirmed user', async () => {
  const email = newEmail('ada')
  const { data } = ok(await anonClient().auth.signUp({ email, password, options: { data: { nick: 'a' } } }))
  assert.equal(data.user.email, email)
  assert.equal(data.user.role, 'authenticated')
  assert.equal(data.user.user_metadata.nick, 'a')
  assert.equal(data.user.identities.length, 1)
  assert.equal(data.session.token_type, 'bearer')
  assert.ok(data.session.refresh_token)
})

test('signing up twice is refused with the code that apps match', async () => {
  const { email } = await newUser('twice')
  const { error } = await anonClient().auth.signUp({ email, password })
  assert.equal(error.code, 'user_already_exists')
  assert.equal(error.status, 422)
})

test('a weak password is refused with its reasons', async () => {
  const { error } = await anonClient().auth.signUp({ email: newEmail('weak'), password: '123' })
  assert.equal(error.code, 'weak_password')
  assert.deepEqual(error.reasons, ['length'])
})

test('signing in finds the account whatever the case of the address', async () => {
  const { email, id } = await newUser('case')
  const { data } = ok(
    await anonClient().auth.signInWithPassword({ email: email.toUpperCase(), password }))
  assert.equal(data.user.id, id)
})

test('a wrong password and an unknown address look the same', async () => {
  const { email } = await newUser('wrong')
  const answers = []
  for (const who of [email, newEmail('nobody')]) {
    const { error } = await anonClient().auth.signInWithPassword({ email: who, password: 'nope nope' })
    answers.push([error.status, error.code, error.message])
  }
  assert.deepEqual(answers[0], [400, 'invalid_credentials', 'Invalid login credentials'])
  assert.deepEqual(answers[0], answers[1])
})

test('the server knows who holds a token', async () => {
  const { client, email } = await newUser('who')
  const { data } = ok(await client.auth.getUser())
  assert.equal(data.user.email, email)
  const { error } = await client.auth.getUser('not.a.token')
  assert.equal(error.code, 'bad_jwt')
})

test('a refresh gives new tokens and keeps the user', async () => {
  const { client, id } = await newUser('refresh')
  const before = (await client.auth.getSession()).data.session
  const { data } = ok(await client.auth.refreshSession())
  assert.equal(data.user.id, id)
  assert.notEqual(data.session.refresh_token, before.refresh_token)
  ok(await client.auth.getUser(data.session.access_token))
})

test('an invented refresh token is refused', async () => {
  const { error } = await anonClient().auth.refreshSession({ refresh_token: 'abcdefghijkl' })
  assert.equal(error.code, 'refresh_token_not_found')
})

test('after signing out the session is dead on the server too', async () => {
  const { client } = await newUser('bye')
  const { data: { session } } = await client.auth.getSession()
  ok(await client.auth.signOut())
  assert.equal((await client.auth.getSession()).data.session, null)
  const { error } = await anonClient().auth.refreshSession({ refresh_token: session.refresh_token })
  assert.ok(error)
  const { error: gone } = await anonClient().auth.getUser(session.access_token)
  assert.equal(gone.name, 'AuthSessionMissingError') // what the client makes of session_not_found
})
