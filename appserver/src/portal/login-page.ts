import { html } from './html.ts';
import { page } from './layout.ts';

export interface LoginView {
  readonly version: string;
  readonly csrfToken: string;
  /** a sentence for people, after a failed attempt */
  readonly problem?: string;
}

export function loginPage(view: LoginView): string {
  return page(
    { title: 'Log in', version: view.version },
    html`<section class="login" aria-labelledby="login">
<h1 id="login">Log in</h1>
<p>The admin secret was made at the first start. It stands in <code>admin-secret</code> in the application server's data folder, and <code>npm start</code> prints it.</p>
${view.problem !== undefined && html`<p class="problem" role="alert">${view.problem}</p>`}
<form method="post" action="/portal/login">
<input type="hidden" name="csrf" value="${view.csrfToken}">
<label for="secret">Admin secret</label>
<input id="secret" name="secret" type="password" autocomplete="current-password" required autofocus>
<button>Log in</button>
</form>
</section>`,
  );
}
